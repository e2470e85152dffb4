/** @file Python text without what does not run: comments and strings. For rules that look for a name anywhere in a file. */

/** The lines of a text with comments and the contents of strings left out. */
export function codeLines(text: string): string[] {
  return text
    .replace(/("""|''')[\s\S]*?\1/g, (s) => s.replace(/[^\n]/g, ""))
    .split("\n")
    .map((line) => line.replace(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'/g, '""').replace(/#.*$/, ""));
}

/** A text without comments and without strings over several lines; names in short strings stay. */
export function withoutComments(text: string): string {
  return text
    .replace(/("""|''')[\s\S]*?\1/g, "")
    .split("\n")
    .map((line) => line.replace(/(^|[^"'])#.*$/, "$1"))
    .join("\n");
}
