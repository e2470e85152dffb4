/**
 * @file Texts for people in their language. A text is written in English where it is needed, tagged `say`; what stands for its
 * values in the table are `{0}`, `{1}` and so on, in the order in which they are written. Without a table, or where it has no
 * such text, English is what is said. `npm run docs` lists all texts in l10n/bundle.l10n.json.
 */
import { readFileSync } from "node:fs";

/** Translations by English text. */
export type Texts = Readonly<Record<string, string>>;

let table: Texts = {};
const keys = new WeakMap<TemplateStringsArray, string>();

/** Says everything in the words of a table from now on; what was said before stays. */
export function useTexts(texts: Texts): void {
  table = texts;
}

/**
 * Uses the table that the environment variable NOETHER_TEXTS names: a JSON file as editors keep them, `bundle.l10n.LANGUAGE.json`.
 * Processes hand it on to those that they start. One that cannot be read is passed over: English is better than nothing.
 */
export function useTextsOf(environment: Readonly<Record<string, string | undefined>>): void {
  const file = environment["NOETHER_TEXTS"];
  if (file === undefined || file === "") return;
  try {
    const read = JSON.parse(readFileSync(file, "utf8")) as unknown;
    if (typeof read !== "object" || read === null) return;
    useTexts(Object.fromEntries(Object.entries(read).filter((e): e is [string, string] => typeof e[1] === "string")));
  } catch {
    // As said above.
  }
}

/** A text with its values, for people. Values are texts already: numbers and names are written by who knows how. */
export function say(strings: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  let key = keys.get(strings);
  if (key === undefined) {
    key = strings.reduce((text, part, i) => `${text}{${i - 1}}${part}`);
    keys.set(strings, key);
  }
  if (!Object.hasOwn(table, key)) return strings.reduce((text, part, i) => text + values[i - 1] + part);
  return filled(key, values);
}

/** A text whose English is put together when it is said, such as `{0} channels`: in the words of the table, with its values. */
export function filled(text: string, values: readonly (string | number)[]): string {
  return translated(text).replace(/\{(\d+)\}/g, (whole, i: string) => `${values[Number(i)] ?? whole}`);
}

/** A text that is said later, by `translated`: for tables that are made before anybody is spoken to. It is its English self. */
export function mark(strings: TemplateStringsArray): string {
  return strings[0]!;
}

/** A text that `mark` marked, or another word of the code's own, in the words of the table. */
export function translated(text: string): string {
  return Object.hasOwn(table, text) ? table[text]! : text;
}
