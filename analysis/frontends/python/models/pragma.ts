/** @file The pragma `# noether: Model(width=64), input=(8, 3, 32, 32)`, which says how a class is made and called. */
import type { PythonParser } from "../parser/parser";
import { Chunk } from "../parser/document";
import { StatementReader } from "../parser/statements";
import type { Expr } from "../parser/syntax";
import type { GivenInput } from "./evaluation-options";

/** One pragma. */
export interface Pragma {
  /** The class or function that is called. */
  readonly name: string;
  /** The call, to be evaluated in the file's scope; absent where only inputs are given. */
  readonly call: Expr | undefined;
  readonly chunk: Chunk;
  readonly inputs: readonly GivenInput[] | undefined;
}

function numbers(x: Expr): number[] | undefined {
  if (x.kind === "Number") return [x.value];
  if (x.kind !== "Tuple" && x.kind !== "List") return undefined;
  const out = x.items.map((i) => (i.kind === "Number" ? i.value : Number.NaN));
  return out.some((n) => !Number.isInteger(n) || n <= 0) ? undefined : out;
}

function inputs(x: Expr): GivenInput[] | undefined {
  // One shape, or several shapes in a list; `int(4, 5)` is a shape of whole numbers.
  const one = (e: Expr): GivenInput | undefined => {
    if (e.kind === "Call" && e.callee.kind === "Name" && e.callee.id === "int") {
      const shape = e.args.map((a) => (a.value.kind === "Number" ? a.value.value : Number.NaN));
      return shape.some((n) => !Number.isInteger(n)) ? undefined : { shape, type: "int64" };
    }
    const shape = numbers(e);
    return shape ? { shape } : undefined;
  };
  if (x.kind === "List") {
    const all = x.items.map(one);
    return all.some((i) => !i) ? undefined : (all as GivenInput[]);
  }
  const single = one(x);
  return single ? [single] : undefined;
}

/** All pragmas of a file, by the name that they call. Lines that do not parse are reported with their line number. */
export function readPragmas(
  file: string,
  text: string,
  parser: PythonParser,
): { pragmas: Pragma[]; broken: { line: number; message: string }[] } {
  const pragmas: Pragma[] = [];
  const broken: { line: number; message: string }[] = [];
  if (!text.includes("noether:")) return { pragmas, broken };
  text.split("\n").forEach((line, number) => {
    const m = /#\s*noether:\s*(.+)$/.exec(line);
    if (!m || /^(?:ignore(?:-file)?|off|on)\b/i.test(m[1]!)) return;
    const source = `_(${m[1]})`;
    const reader = new StatementReader(source);
    const body = reader.block(parser.parse(source));
    const [first] = body;
    const problem = (message: string): void => {
      broken.push({ line: number, message: `${message}; expected # noether: Model(width=64), input=(8, 3, 32, 32)` });
    };
    if (first?.kind !== "Expression" || first.value.kind !== "Call" || reader.errors.length > 0) {
      problem("this pragma does not parse");
      return;
    }
    const chunk = new Chunk(file, source, number, body, reader.errors, undefined);
    const { args } = first.value;
    const call = args.find((a) => a.form === "positional")?.value;
    const given = args.find((a) => a.form === "keyword" && (a.name === "input" || a.name === "inputs"))?.value;
    const shapes = given ? inputs(given) : undefined;
    if (given && !shapes) problem("the input shape is not a tuple of positive whole numbers");
    const callee = call?.kind === "Call" ? call.callee : call;
    const name = callee?.kind === "Name" ? callee.id : callee?.kind === "Attribute" ? callee.name : "";
    pragmas.push({ name, call: call?.kind === "Call" ? call : undefined, chunk, inputs: shapes });
  });
  return { pragmas, broken };
}
