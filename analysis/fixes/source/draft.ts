/** @file Edits of one Python text in the making: replacements, new statements, definitions and imports in the text's own style. */
import type { Syntax } from "../../frontends/python/index";
import type { TextEdit } from "../../rules/finding";
import { positionAt } from "../python-text";
import type { Located, PythonSource } from "./python-source";

/** What cannot be edited rightly: no fix is offered. */
export class NotEditable extends Error {
  override readonly name = "NotEditable";
}

/** Refuses, with the reason as a sentence. */
export function refuse(reason: string): never {
  throw new NotEditable(reason);
}

interface Change {
  readonly start: number;
  readonly end: number;
  text: string;
}

/** Collects changes. Code is given with four spaces and double quotes; it is written as the file writes it. */
export class Draft {
  private readonly changes: Change[] = [];
  private readonly imports: string[] = [];
  private readonly defined = new Set<string>();

  constructor(readonly source: PythonSource) {}

  /** Replaces [start, end). @throws NotEditable where another change touches it */
  replace(start: number, end: number, text: string): void {
    if (this.changes.some((c) => start < c.end && c.start < end)) refuse("two changes would overlap");
    this.changes.push({ start, end, text: this.styled(text) });
  }

  /** Inserts; of several insertions at one place the first comes first. */
  insert(at: number, text: string): void {
    if (this.changes.some((c) => c.start < at && at < c.end)) refuse("two changes would overlap");
    const there = this.changes.find((c) => c.start === at && c.end === at);
    if (there) there.text += this.styled(text);
    else this.changes.push({ start: at, end: at, text: this.styled(text) });
  }

  /** New lines behind a statement, at its own indentation. @throws NotEditable where it shares its line */
  after(statement: Located<Syntax.Stmt>, code: string): void {
    const { source } = this;
    if (!source.isAlone(statement)) refuse("the statement shares its line with others");
    const lineEnd = source.text.indexOf("\n", statement.end);
    const text = this.block(code, source.indentAt(statement.start));
    if (lineEnd < 0) this.insertRaw(source.text.length, `${source.eol}${text}`);
    else this.insertRaw(lineEnd + 1, `${text}${source.eol}`);
  }

  /** New lines before a statement, at its own indentation. @throws NotEditable where it shares its line */
  before(statement: Located<Syntax.Stmt>, code: string): void {
    const { source } = this;
    if (!source.isAlone(statement)) refuse("the statement shares its line with others");
    const line = source.text.lastIndexOf("\n", statement.start - 1) + 1;
    this.insertRaw(line, `${this.block(code, source.indentAt(statement.start))}${source.eol}`);
  }

  /**
   * A definition at the top level of the file before one of its statements, decorators and comments included. One that stands
   * there already, word for word, is used; another of the same name is an obstacle.
   */
  define(name: string, code: string, before: Located<Syntax.Stmt>): void {
    const { source } = this;
    if (this.defined.has(name)) return;
    this.defined.add(name);
    const text = this.block(code, "");
    if (source.text.includes(text)) return;
    if (source.mentions(name) > 0) refuse(`the file has a ${name} of its own`);
    const at = this.lineAbove(before.start);
    const isFirst = source.text.slice(0, at).trim() === "";
    const gap = source.eol.repeat(3);
    // Two blank lines around; those that are there count.
    const blank = /(\r?\n)*$/.exec(source.text.slice(0, at))![0].split("\n").length - 1;
    const follows = this.changes.some((c) => c.start === at && c.end === at);
    const lead = isFirst || follows ? "" : source.eol.repeat(Math.max(0, 3 - blank));
    this.insertRaw(at, `${lead}${text}${gap}`);
  }

  /** The line where a statement begins, with decorators, and comments directly above. */
  private lineAbove(offset: number): number {
    const { text } = this.source;
    let line = text.lastIndexOf("\n", offset - 1) + 1;
    while (line > 0) {
      const above = text.lastIndexOf("\n", line - 2) + 1;
      if (!/^[#@]/.test(text.slice(above, line))) break;
      line = above;
    }
    return line;
  }

  /** How code of the file says `torch`, `torch.nn` and so on; imports it where it does not. */
  module(path: string): string {
    for (const { node } of this.source.top) {
      if (node.kind === "Import") {
        for (const { name, alias } of node.names) {
          if (name === path && alias !== undefined) return alias;
          if (name === path && !path.includes(".")) return path;
        }
      } else if (node.kind === "ImportFrom" && node.level === 0 && node.names !== "*") {
        for (const { name, alias } of node.names) if (`${node.module}.${name}` === path) return alias ?? name;
      }
    }
    const [parent, last] = [path.slice(0, path.lastIndexOf(".")), path.slice(path.lastIndexOf(".") + 1)];
    // What `import torch` brings along.
    if (path === "torch.nn" || path === "torch.nn.functional") {
      const above = path === "torch.nn" ? "torch" : "torch.nn";
      if (above === "torch.nn" || this.has("torch")) return `${this.module(above)}.${last}`;
    }
    const line = parent === path.slice(0, -1) || !path.includes(".") ? `import ${path}` : `from ${parent} import ${last}`;
    if (!this.imports.includes(line)) {
      if (this.source.binds(last)) refuse(`the file uses the name ${last} for something else`);
      this.imports.push(line);
    }
    return last;
  }

  private has(module: string): boolean {
    return this.source.top.some(({ node }) => node.kind === "Import" && node.names.some((n) => n.name === module));
  }

  /** The edits. */
  edits(): TextEdit[] {
    if (this.imports.length > 0) {
      const lines = this.imports.map((l) => l + this.source.eol).join("");
      const at = this.importPlace();
      const there = this.changes.find((c) => c.start === at && c.end === at);
      if (there) there.text = lines + there.text;
      else this.insertRaw(at, lines);
    }
    const at = (offset: number) => positionAt(this.source.starts, offset);
    return [...this.changes]
      .map((change) => this.onLastLine(change))
      .sort((a, b) => a.start - b.start || a.end - b.end)
      .map(({ start, end, text }) => ({
        range: { file: this.source.file, start: at(start), end: at(end) },
        newText: text,
      }));
  }

  /** Lines behind everything are written from the end of the last line on: it may have no line end, or be a notebook's last. */
  private onLastLine(change: Change): Change {
    const { text, eol } = this.source;
    const { start, end, text: added } = change;
    if (start !== end || start === 0 || text.slice(start).trim() !== "" || !added.endsWith(eol)) return change;
    const last = /\r?\n$/.exec(text.slice(0, start))?.[0].length ?? 0;
    return { start: start - last, end: start - last, text: eol + added.slice(0, -eol.length) };
  }

  /** Behind the first run of imports, else behind the file's docstring. */
  private importPlace(): number {
    const { top, text } = this.source;
    let last: Located<Syntax.Stmt> | undefined;
    for (const t of top) {
      const isImport = t.node.kind === "Import" || t.node.kind === "ImportFrom";
      const isDocstring = t.node.kind === "Expression" && t.node.value.kind === "String";
      if (isImport || (isDocstring && last === undefined)) last = t;
      else if (last !== undefined) break;
    }
    if (!last) return 0;
    const end = text.indexOf("\n", last.end);
    return end < 0 ? text.length : end + 1;
  }

  private insertRaw(at: number, text: string): void {
    const there = this.changes.find((c) => c.start === at && c.end === at);
    if (there) there.text += text;
    else this.changes.push({ start: at, end: at, text });
  }

  /** Code at an indentation, in the file's style. */
  private block(code: string, indent: string): string {
    return code
      .split("\n")
      .map((line) => {
        const depth = /^(?: {4})*/.exec(line)![0].length / 4;
        return line === "" ? "" : this.styled(indent + this.source.indent.repeat(depth) + line.slice(depth * 4));
      })
      .join(this.source.eol);
  }

  /** Short strings in the file's quotes. */
  private styled(text: string): string {
    const { quote, eol } = this.source;
    const quoted = quote === "'" && !text.includes('"""') ? text.replace(/"([^"'\\\n]*)"/g, "'$1'") : text;
    return eol === "\n" ? quoted : quoted.replace(/\r?\n/g, eol);
  }
}
