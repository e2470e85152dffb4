/** @file Names, lists and numbers as findings write them. */
import { say } from "../texts/say";

/** Code in a message. */
export function code(text: string): string {
  return `\`${text}\``;
}

/** Whether a parameter is a layer's own of the given name, in PyTorch's paths or in those with slashes of Keras. */
export function isOwn(scope: string, parameter: string, name: string): boolean {
  return parameter === `${scope}.${name}` || parameter === `${scope}/${name}`;
}

/** The last part of a module path that is not a number, with the numbers behind it. */
export function shortPath(scope: string): string {
  const parts = scope.split(/[./]/);
  let from = parts.length - 1;
  while (from > 0 && /^\d+$/.test(parts[from]!)) from--;
  return parts.slice(from).join(".");
}

/** The first dozen items. */
export function listed(items: readonly string[]): string {
  const shown = items.slice(0, 12);
  const more = items.length - shown.length;
  return more > 0 ? say`${shown.join(", ")} and ${more} more` : shown.join(", ");
}

/** `64 parameters`. */
export function values(count: number): string {
  return count === 1 ? say`1 parameter` : say`${count.toLocaleString("en-US")} parameters`;
}

/** `a and b`, `a, b and c`, `a and 7 more`. */
export function few(items: readonly string[]): string {
  const [a, b, c] = items;
  if (b === undefined) return a ?? "";
  if (items.length === 2) return say`${a!} and ${b}`;
  return items.length === 3 ? say`${a!}, ${b} and ${c!}` : say`${a!} and ${items.length - 1} more`;
}

/** A number with few digits: `0.05`, `3e-4`, `12,000`. */
export function number(x: number): string {
  if (Number.isInteger(x)) return x.toLocaleString("en-US");
  const size = Math.abs(x);
  if (size >= 1000) return Math.round(x).toLocaleString("en-US");
  if (size < 1e-3) return x.toExponential(1).replace(".0e", "e");
  return `${Number(x.toPrecision(2))}`;
}
