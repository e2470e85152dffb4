/** @file Making elements. Text is always set as text, so nothing that a model is called can become markup. */

type Children = readonly (Node | string | undefined)[];

/** An element with attributes (undefined ones are left out) and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number | undefined>> = {},
  children: Children = [],
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, String(value));
  made.append(...children.filter((c) => c !== undefined));
  return made;
}

/** An element of SVG with attributes and children. */
export function vector(
  tag: string,
  attributes: Readonly<Record<string, string | number>>,
  children: readonly Node[] = [],
): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/** A button that does something. */
export function button(label: string, attributes: Readonly<Record<string, string>>, press: () => void): HTMLButtonElement {
  const made = element("button", { type: "button", ...attributes }, [label]);
  made.addEventListener("click", press);
  return made;
}

/** A text as an id that other attributes may list: `aria-labelledby` takes a space for the end of an id. */
export function identifier(prefix: string, text: string): string {
  return `${prefix}-${text.replace(/[^\w-]/g, (c) => `_${c.codePointAt(0)!.toString(36)}`)}`;
}
