/**
 * @file Edits of the code in notebooks. Only the lines that change are written anew: outputs, metadata, order, indentation and
 * the way in which other characters are escaped stay as they are, so that a diff shows the edit and nothing else.
 */

/** The string literals of a cell's source in the text of a notebook. */
interface SourceSpan {
  readonly start: number;
  readonly end: number;
  /** Whether it is a list of lines and not one string. */
  readonly isList: boolean;
  /** The literals as they stand there, and where each begins. */
  readonly literals: readonly string[];
  readonly offsets: readonly number[];
  /** What stands before the first, between two, and behind the last of a list. */
  readonly before: string;
  readonly between: string;
  readonly after: string;
}

/** The source of a cell, and the notebook with another one. */
export interface NotebookCell {
  readonly source: string;
  /** The line of the notebook's own text that a line of the source is written in, both counted from 0. */
  lineInFile(line: number): number;
  /** The notebook's text with this source in its place. */
  replaced(source: string): string;
}

/**
 * A cell of a notebook by its number, all kinds of cells counted from 0.
 * @throws Error when the text is no notebook or has no such cell
 */
export function notebookCell(text: string, number: number): NotebookCell {
  const span = new Scanner(text).sourceOf(number);
  if (!span) throw new Error(`it has no cell ${number} with code; it has changed since it was checked`);
  const source = span.literals.map((l) => JSON.parse(l) as string).join("");
  return {
    source,
    lineInFile(line) {
      let left = line;
      const at = span.literals.findIndex((l) => {
        const breaks = (JSON.parse(l) as string).split("\n").length - 1;
        if (left < breaks || l === span.literals.at(-1)) return true;
        left -= breaks;
        return false;
      });
      return text.slice(0, span.offsets[at] ?? span.start).split("\n").length - 1;
    },
    replaced(changed) {
      const escapes = /\\u[0-9a-f]{4}/i.test(text) && !/[^\x20-\x7e\s]/.test(text);
      const lines = span.isList ? changed.split(/(?<=\n)/).filter((l) => l !== "") : [changed];
      const known = new Map(span.literals.map((l) => [JSON.parse(l) as string, l]));
      const literals = lines.map((line) => known.get(line) ?? literal(line, escapes));
      const value = span.isList ? `[${span.before}${literals.join(`,${span.between}`)}${span.after}]` : (literals[0] ?? '""');
      return text.slice(0, span.start) + value + text.slice(span.end);
    },
  };
}

function literal(line: string, escapes: boolean): string {
  const json = JSON.stringify(line);
  if (!escapes) return json;
  return json.replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Walks over JSON that was parsed before, so that it is known to be well formed. */
class Scanner {
  #at = 0;

  constructor(private readonly text: string) {
    JSON.parse(text.replace(/^\uFEFF/, ""));
    if (text.startsWith("\uFEFF")) this.#at = 1;
  }

  /** The source of `cells[number]` of the outermost object. */
  sourceOf(number: number): SourceSpan | undefined {
    let found: SourceSpan | undefined;
    this.#members((name) => {
      if (name !== "cells" || this.#peek() !== "[") return this.#skip();
      this.#items((index) => {
        if (index !== number || this.#peek() !== "{") return this.#skip();
        this.#members((key) => {
          if (key === "source") found = this.#source();
          else this.#skip();
        });
      });
    });
    return found;
  }

  #source(): SourceSpan | undefined {
    const kind = this.#peek();
    const start = this.#at;
    if (kind === '"') {
      const own = this.#string();
      return { start, end: this.#at, isList: false, literals: [own], offsets: [start], before: "", between: "", after: "" };
    }
    if (kind !== "[") {
      this.#skip();
      return undefined;
    }
    const spans: [from: number, to: number][] = [];
    this.#items(() => {
      this.#peek();
      const from = this.#at;
      this.#skip();
      spans.push([from, this.#at]);
    });
    const { text } = this;
    const end = this.#at;
    const literals = spans.map(([from, to]) => text.slice(from, to));
    if (literals.length === 0 || literals.some((l) => !l.startsWith('"'))) return undefined;
    const before = text.slice(start + 1, spans[0]![0]);
    const after = text.slice(spans.at(-1)![1], end - 1);
    const second = spans[1];
    const between = second ? text.slice(spans[0]![1], second[0]).replace(",", "") : before;
    return { start, end, isList: true, literals, offsets: spans.map(([from]) => from), before, between, after };
  }

  #members(each: (name: string) => void): void {
    this.#list("}", () => {
      const name = JSON.parse(this.#string()) as string;
      this.#peek(); // the colon
      this.#at++;
      this.#peek();
      each(name);
    });
  }

  #items(each: (index: number) => void): void {
    let index = 0;
    this.#list("]", () => each(index++));
  }

  /** Between brackets, with commas. */
  #list(close: string, each: () => void): void {
    this.#peek();
    this.#at++;
    while (this.#peek() !== close) {
      each();
      if (this.#peek() === ",") this.#at++;
    }
    this.#at++;
  }

  #skip(): void {
    const kind = this.#peek();
    if (kind === "{") this.#members(() => this.#skip());
    else if (kind === "[") this.#items(() => this.#skip());
    else if (kind === '"') this.#string();
    else while (this.#at < this.text.length && !/[\s,\]}]/.test(this.text[this.#at]!)) this.#at++;
  }

  #string(): string {
    this.#peek();
    const start = this.#at++;
    while (this.text[this.#at] !== '"') this.#at += this.text[this.#at] === "\\" ? 2 : 1;
    this.#at++;
    return this.text.slice(start, this.#at);
  }

  /** The next character that is no space. */
  #peek(): string {
    while (/\s/.test(this.text[this.#at] ?? "x")) this.#at++;
    return this.text[this.#at] ?? "";
  }
}
