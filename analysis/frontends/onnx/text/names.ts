/** @file Names of values in ONNX's text syntax: as they are, quoted where need be, or as plain identifiers. */

/**
 * How names that are no C identifiers are written. quoted: as the syntax has it since ONNX 1.17; plain: other characters
 * become `_` and equal results get a number, which every version of the parser reads.
 */
export type NameStyle = "quoted" | "plain";

/** Writes names; one name is always written the same way, two names never. */
export class Names {
  readonly #written = new Map<string, string>();
  readonly #taken = new Set<string>();

  constructor(private readonly style: NameStyle) {}

  /** A value's name. "" is an absent optional value. */
  value(name: string): string {
    if (name === "") return this.style === "quoted" ? '""' : "";
    const known = this.#written.get(name);
    if (known !== undefined) return known;
    const made = this.style === "quoted" ? quotable(name) : this.#plain(name);
    this.#written.set(name, made);
    return made;
  }

  #plain(name: string): string {
    const base = identifier(name);
    let made = base;
    for (let i = 1; this.#taken.has(made); i++) made = `${base}_${i}`;
    this.#taken.add(made);
    return made;
  }
}

/** A name as an identifier, or in quotes. The syntax knows no escapes, so quotes inside become apostrophes. */
export function quotable(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : `"${unquoted(name)}"`;
}

/** A name with `_` for every character that an identifier cannot have. */
export function identifier(name: string): string {
  const cleaned = name.replace(/[^A-Za-z0-9_]/g, "_");
  return /^[A-Za-z_]/.test(cleaned) ? cleaned : `_${cleaned}`;
}

/** Text that may stand in quotes, on one line. */
export function unquoted(text: string): string {
  return text.replaceAll('"', "'").replace(/[\r\n]+/g, " ");
}
