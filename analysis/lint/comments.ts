/** @file The comments of a Python text. */

/** A comment, from its `#` to the end of its line. */
export interface Comment {
  readonly line: number;
  /** Of the `#`, in UTF-16 code units. */
  readonly column: number;
  readonly text: string;
  /** Whether nothing but space is before it on its line. */
  readonly alone: boolean;
}

/**
 * All comments. Follows strings, also those over several lines, so that a `#` inside one is none; text that is no Python
 * gives whatever comes of reading it so.
 */
export function commentsOf(text: string): Comment[] {
  const out: Comment[] = [];
  // The quotes that end the string that a line starts in.
  let open: string | undefined;
  text.split("\n").forEach((line, number) => {
    let i = 0;
    while (i < line.length) {
      const c = line[i]!;
      if (open !== undefined) {
        if (c === "\\") i += 2;
        else if (line.startsWith(open, i)) {
          i += open.length;
          open = undefined;
        } else i++;
      } else if (c === "#") {
        const body = line.slice(i).replace(/\r$/, "");
        out.push({ line: number, column: i, text: body, alone: line.slice(0, i).trim() === "" });
        return;
      } else if (c === '"' || c === "'") {
        open = line.startsWith(c.repeat(3), i) ? c.repeat(3) : c;
        i += open.length;
      } else i++;
    }
    // A string in single quotes ends with its line, unless the line goes on.
    if (open?.length === 1 && !line.replace(/\r$/, "").endsWith("\\")) open = undefined;
  });
  return out;
}
