/**
 * @file The texts of package.json that people read, kept apart in package.nls.json so that they can be translated: VS Code
 * takes `package.nls.LANGUAGE.json` where there is one.
 */

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
type Texts = Readonly<Record<string, string>>;

/** Members whose texts people read, wherever they stand in `contributes`. */
const READ: ReadonlySet<string> = new Set([
  "title",
  "description",
  "markdownDescription",
  "enumDescriptions",
  "markdownEnumDescriptions",
  "displayName",
  "name",
  "contextualTitle",
  "contents",
  "altText",
]);
/** Members of `contributes` that VS Code does not translate. */
const APART: ReadonlySet<string> = new Set(["languages", "grammars", "menus"]);

/**
 * Replaces the texts of a manifest by keys.
 * @param manifest package.json as text; texts that are keys already stay so
 * @param known package.nls.json
 * @returns both, formatted; texts that nothing refers to any more are dropped
 */
export function separateTexts(manifest: string, known: Texts): { readonly manifest: string; readonly texts: string } {
  const all = JSON.parse(manifest) as { readonly [key: string]: Json };
  const texts: Record<string, string> = {};
  const keyed = (text: string, key: string): string => {
    const before = /^%(.+)%$/.exec(text)?.[1];
    const found = before === undefined ? text : known[before];
    if (found === undefined) throw new Error(`package.json refers to ${text}, which package.nls.json does not have`);
    texts[before ?? key] = found;
    return `%${before ?? key}%`;
  };
  const walk = (value: Json, place: readonly string[], isText: boolean): Json => {
    if (typeof value === "string") return isText ? keyed(value, place.join(".")) : value;
    if (typeof value !== "object" || value === null) return value;
    if (isList(value)) return value.map((v, i) => walk(v, [...place, nameOf(v) ?? String(i)], isText));
    const properties = place.at(-1) === "properties";
    return Object.fromEntries(
      Object.entries(value).map(([name, v]) => [
        name,
        place.length === 1 && APART.has(name) ? v : walk(v, [...place, name], !properties && READ.has(name)),
      ]),
    );
  };
  const contributes = walk(all["contributes"]!, ["contributes"], false);
  const capabilities = walk(all["capabilities"] ?? {}, ["capabilities"], false);
  return {
    manifest: `${JSON.stringify({ ...all, capabilities, contributes }, undefined, 2)}\n`,
    texts: `${JSON.stringify(texts, undefined, 2)}\n`,
  };
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** What a member of a list is called: keys must not depend on the order. */
function nameOf(value: Json): string | undefined {
  if (typeof value !== "object" || value === null || isList(value)) return undefined;
  const name = value["command"] ?? value["id"] ?? value["viewType"] ?? value["view"];
  return typeof name === "string" ? name : undefined;
}
