/** @file A Python text together with its syntax: what fixes that reach further than one call look at. Offsets are of the text. */
import type { Chunk, Syntax } from "../../frontends/python/index";
import { blocksOf } from "../../frontends/python/parser/blocks";
import type { SourceRange } from "../../graph/source";
import { classifyPython, lineStarts, offsetAt } from "../python-text";

type Stmt = Syntax.Stmt;
type Expr = Syntax.Expr;

/** A node of the syntax with its place in the text. */
export interface Located<T> {
  readonly node: T;
  readonly start: number;
  readonly end: number;
}

/** A statement and what it stands in, innermost first. */
export interface Enclosed {
  readonly statement: Located<Stmt>;
  /** Definitions and blocks around it, innermost first. */
  readonly around: readonly Located<Stmt>[];
  /** The statement of the file that it is in, or itself. */
  readonly top: Located<Stmt>;
}

/** A text with its syntax. */
export class PythonSource {
  readonly starts: readonly number[];
  /** The line break that the text uses. */
  readonly eol: string;
  /** What one level of indentation is. */
  readonly indent: string;
  /** The quote that the text uses for short strings. */
  readonly quote: string;
  readonly top: readonly Located<Stmt>[];

  private constructor(
    readonly file: string,
    readonly text: string,
    chunks: readonly Chunk[],
  ) {
    this.starts = lineStarts(text);
    this.eol = text.includes("\r\n") ? "\r\n" : "\n";
    this.indent = /^(?:def|class)\b[^\n]*:[^\S\n]*\r?\n(?:[^\S\n]*\r?\n)*([ \t]+)\S/m.exec(text)?.[1] ?? "    ";
    this.quote = (text.match(/'/g)?.length ?? 0) > (text.match(/"/g)?.length ?? 0) ? "'" : '"';
    this.top = chunks.flatMap((chunk) => {
      const base = this.starts[chunk.line]!;
      return chunk.body.map((node) => ({ node, start: base + node.s, end: base + node.e }));
    });
    this.bases = new Map(this.top.map(({ node, start }) => [node, start - node.s]));
  }

  private readonly bases: ReadonlyMap<Stmt, number>;

  /** Undefined where the syntax is not the text's: it was read from another version. */
  static of(file: string, text: string, chunks: readonly Chunk[]): PythonSource | undefined {
    const starts = lineStarts(text);
    const fits = chunks.every((c) => starts[c.line] !== undefined && text.startsWith(c.text, starts[c.line]));
    return fits && chunks.length > 0 ? new PythonSource(file, text, chunks) : undefined;
  }

  /** Offsets of a range of this file. */
  span(range: SourceRange): { readonly start: number; readonly end: number } {
    return {
      start: offsetAt(this.starts, range.start, this.text.length),
      end: offsetAt(this.starts, range.end, this.text.length),
    };
  }

  /** The text of a node below a statement of the file. */
  source(top: Located<Stmt>, span: Syntax.Span): string {
    const { start, end } = this.locate(top, span);
    return this.text.slice(start, end);
  }

  /** The place of a node below a statement of the file. */
  locate<T extends Syntax.Span>(top: Located<Stmt>, node: T): Located<T> {
    const base = this.bases.get(top.node)!;
    return { node, start: base + node.s, end: base + node.e };
  }

  /** The statement of the file that an offset is in. */
  topAt(offset: number): Located<Stmt> | undefined {
    return this.top.find((t) => t.start <= offset && offset < t.end);
  }

  /** The innermost statement that holds an offset. */
  statementAt(offset: number): Enclosed | undefined {
    const top = this.topAt(offset);
    if (!top) return undefined;
    const around: Located<Stmt>[] = [];
    let statement = top;
    for (;;) {
      const inner = blocksOf(statement.node)
        .flat()
        .map((s) => this.locate(top, s))
        .find((s) => s.start <= offset && offset < s.end);
      if (!inner) return { statement, around, top };
      around.unshift(statement);
      statement = inner;
    }
  }

  /** The call that a range is, as a front end reported it. */
  callAt(range: SourceRange): (Located<Syntax.ExprOf<"Call">> & { readonly top: Located<Stmt> }) | undefined {
    if (range.file !== this.file) return undefined;
    const { start, end } = this.span(range);
    const top = this.topAt(start);
    if (!top) return undefined;
    for (const e of expressionsIn(top.node)) {
      const place = this.locate(top, e);
      if (e.kind === "Call" && place.start === start && place.end === end) return { node: e, start, end, top };
    }
    return undefined;
  }

  /** The class statement of a name. */
  classNamed(name: string): Located<Syntax.ClassDef> | undefined {
    return this.top.find((t): t is Located<Syntax.ClassDef> => t.node.kind === "ClassDef" && t.node.name === name);
  }

  /** How often code, not comments or strings, mentions a name. */
  mentions(name: string): number {
    if (!this.counts) {
      const kinds = classifyPython(this.text);
      this.counts = new Map();
      for (const { 0: word, index } of this.text.matchAll(/[A-Za-z_]\w*/g)) {
        if (kinds[index] === 0) this.counts.set(word, (this.counts.get(word) ?? 0) + 1);
      }
    }
    return this.counts.get(name) ?? 0;
  }
  private counts: Map<string, number> | undefined;

  /** Whether code gives a name a meaning of its own: by an assignment, a definition, a parameter, a loop or an import. */
  binds(name: string): boolean {
    const binding = new RegExp(
      `(^|[^.\\w])${name}\\s*(?::[^=\\n]+)?=(?!=)|\\b(?:def|class|as|for)\\s+${name}\\b|[(,]\\s*${name}\\s*[,:)=]|\\bimport\\s+(?:[\\w.]+\\s*,\\s*)*${name}\\b`,
      "gm",
    );
    const kinds = classifyPython(this.text);
    return [...this.text.matchAll(binding)].some((m) => kinds[m.index] === 0);
  }

  /** The whitespace before the first character of the line that holds an offset. */
  indentAt(offset: number): string {
    const line = this.text.lastIndexOf("\n", offset - 1) + 1;
    return /^[ \t]*/.exec(this.text.slice(line, offset))![0];
  }

  /** Whether a statement has its lines to itself: nothing else before it, and only a comment behind. */
  isAlone({ start, end }: Located<Stmt>): boolean {
    const line = this.text.lastIndexOf("\n", start - 1) + 1;
    const lineEnd = this.text.indexOf("\n", end);
    const tail = this.text.slice(end, lineEnd < 0 ? this.text.length : lineEnd);
    return this.text.slice(line, start).trim() === "" && /^\s*(#.*)?$/.test(tail);
  }
}

/** All expressions below a node, itself included, outer ones first. */
export function* expressionsIn(node: unknown): Generator<Expr> {
  if (typeof node !== "object" || node === null) return;
  if (Array.isArray(node)) {
    for (const x of node) yield* expressionsIn(x);
    return;
  }
  if ("kind" in node && "s" in node && typeof node.kind === "string" && EXPRESSIONS.has(node.kind)) yield node as Expr;
  for (const value of Object.values(node)) if (typeof value === "object") yield* expressionsIn(value);
}

const EXPRESSIONS: ReadonlySet<string> = new Set(
  (
    "Name Number String Bytes Format Constant List Tuple Set Dict Binary Boolean Not Unary Compare Call Attribute Subscript Slice " +
    "Lambda Conditional Named Comprehension Await Yield Starred Broken"
  ).split(" "),
);

/** The argument of a call by keyword or position; undefined where it is not given, "starred" where it may hide in `*args`. */
export function argumentOf(
  call: Syntax.ExprOf<"Call">,
  position: number,
  keyword: string,
): Syntax.Argument | "starred" | undefined {
  const named = call.args.find((a) => a.form === "keyword" && a.name === keyword);
  if (named) return named;
  const before = call.args.slice(0, position + 1);
  if (before.some((a) => a.form === "star")) return "starred";
  const at = call.args[position];
  if (at?.form === "positional") return at;
  return call.args.some((a) => a.form === "star" || a.form === "doubleStar") ? "starred" : undefined;
}

/** `a.b.c` as text, where an expression is names joined by dots. */
export function dottedName(e: Expr): string | undefined {
  if (e.kind === "Name") return e.id;
  if (e.kind !== "Attribute") return undefined;
  const object = dottedName(e.object);
  return object === undefined ? undefined : `${object}.${e.name}`;
}
