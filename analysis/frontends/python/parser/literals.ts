/** @file Python's number and string literals. */

/** The value of an integer, float or imaginary literal; NaN if it is malformed. */
export function parseNumber(text: string): { value: number; type: "int" | "float" | "complex" } {
  const t = text.replaceAll("_", "").toLowerCase();
  if (/^0[xob]/.test(t)) return { value: Number(t), type: "int" };
  if (t.endsWith("j")) return { value: Number(t.slice(0, -1)), type: "complex" };
  if (/^\d+l?$/.test(t)) return { value: Number(t.replace("l", "")), type: "int" };
  return { value: Number(t), type: "float" };
}

const SIMPLE: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
  "\n": "",
};

/** Resolves backslash escapes; unknown escapes stay, as in Python. */
export function unescapeString(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(
    /\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|N\{[^}]*\}|[\s\S])/g,
    (whole, code: string) => {
      const simple = SIMPLE[code];
      if (simple !== undefined) return simple;
      if (/^[xuU]/.test(code) && code.length > 1) {
        const point = Number.parseInt(code.slice(1), 16);
        return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
      }
      if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
      return whole;
    },
  );
}

/** Splits the prefix and the quotes off a plain string literal. */
export function stringPrefix(text: string): { prefix: string; quote: string } {
  const m = /^([A-Za-z]*)("""|'''|"|')/.exec(text);
  return { prefix: (m?.[1] ?? "").toLowerCase(), quote: m?.[2] ?? "" };
}
