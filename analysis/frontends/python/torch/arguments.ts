/** @file Reads the arguments of built-in functions by name or position, with Python's conventions for sizes and tensors. */
import type { ElementType, Tensor } from "../../../graph/tensor";
import type { GraphBuilder } from "../emit/builder";
import { notUnderstood, raise, raiseRank } from "../evaluator/errors";
import type { Interpreter } from "../evaluator/interpreter";
import { iterate } from "../evaluator/iterate";
import { truth } from "../evaluator/branches";
import { intOf, is, numberOf } from "../values/inspect";
import { native } from "../values/make";
import type { Arguments, TensorValue, Value } from "../values/value";

/** Other spellings of parameters that torch accepts. */
const ALIASES: Readonly<Record<string, string>> = {
  axis: "dim",
  x: "input",
  keepdims: "keepdim",
  x1: "input",
  x2: "other",
  self: "input",
};

/** Arguments by parameter name. What is not given is undefined. */
export class Reader {
  private readonly values = new Map<string, Value>();
  /** Positional arguments beyond the named parameters. */
  readonly rest: readonly Value[];

  constructor(
    readonly interpreter: Interpreter,
    names: readonly string[],
    args: Arguments,
  ) {
    args.positional.forEach((v, i) => {
      const name = names[i];
      if (name !== undefined) this.values.set(name, v);
    });
    this.rest = args.positional.slice(names.length);
    for (const [k, v] of args.keywords) {
      const alias = ALIASES[k];
      this.values.set(!names.includes(k) && alias !== undefined ? alias : k, v);
    }
  }

  get builder(): GraphBuilder {
    return this.interpreter.builder;
  }

  has(name: string): boolean {
    return this.value(name) !== null;
  }

  /** The argument; None when it is absent. */
  value(name: string): Value {
    return this.values.get(name) ?? null;
  }

  set(name: string, value: Value): void {
    this.values.set(name, value);
  }

  /** A tensor; numbers become constants. Throws NotUnderstood for what cannot be one. */
  tensor(name: string, type?: ElementType): TensorValue {
    const v = this.value(name);
    if (is(v, "tensor")) return v;
    const listed = numbersOf(v);
    if (listed) return this.builder.tensor(listed);
    return this.builder.tensorOf(v, type) ?? notUnderstood(`the argument ${name} is not a tensor that is known`);
  }

  optionalTensor(name: string): TensorValue | undefined {
    return this.has(name) ? this.tensor(name) : undefined;
  }

  int(name: string, fallback?: number): number {
    const v = this.value(name);
    if (v === null) return fallback ?? notUnderstood(`the argument ${name} is missing`);
    demandNumber(this.interpreter, v, "int");
    const n = intOf(v) ?? scalarTensor(v);
    if (n !== undefined) return n;
    const f = numberOf(v);
    if (f !== undefined && Number.isInteger(f)) return f;
    return notUnderstood(`the argument ${name} is not a number that is known`);
  }

  number(name: string, fallback?: number): number {
    const v = this.value(name);
    if (v === null) return fallback ?? notUnderstood(`the argument ${name} is missing`);
    demandNumber(this.interpreter, v, "float");
    return numberOf(v) ?? scalarTensor(v) ?? notUnderstood(`the argument ${name} is not a number that is known`);
  }

  bool(name: string, fallback: boolean): boolean {
    const v = this.value(name);
    if (v === null) return fallback;
    return truth(v) ?? notUnderstood(`the argument ${name} is not known to be true or false`);
  }

  text(name: string, fallback: string): string {
    const v = this.value(name);
    return typeof v === "string" ? v : fallback;
  }

  dtype(name = "dtype"): ElementType | undefined {
    const v = this.value(name);
    return is(v, "dtype") ? v.type : undefined;
  }

  /** A list of ints; a single int counts as a list of one. Undefined when absent. */
  ints(name: string): number[] | undefined {
    if (!this.has(name)) return undefined;
    return intList(this.interpreter, this.value(name), name);
  }

  /** A size given as one sequence or as the remaining arguments: `view(2, 3)` and `view((2, 3))`. */
  sizes(name: string): number[] {
    const first = this.value(name);
    if (first === null) return [];
    if (this.rest.length > 0) return [first, ...this.rest].flatMap((v) => intList(this.interpreter, v, name));
    return intList(this.interpreter, first, name);
  }

  /** `n` ints, a single one repeated. */
  repeated(name: string, n: number, fallback: number): number[] {
    const v = this.ints(name);
    if (!v) return new Array<number>(n).fill(fallback);
    if (v.length === 1) return new Array<number>(n).fill(v[0]!);
    if (v.length !== n) raise("RuntimeError", `${name} has ${v.length} members, not ${n}`);
    return v;
  }

  /** The tensors of a sequence. */
  tensors(name: string): TensorValue[] {
    const v = this.value(name);
    if (is(v, "tensor")) return [v];
    const items = v === null ? undefined : iterate(this.interpreter, v);
    if (!items) return notUnderstood(`the members of ${name} are not known`);
    return items.map((i) => this.builder.tensorOf(i) ?? notUnderstood(`a member of ${name} is not a tensor`));
  }
}

/** A flat sequence of numbers as a vector; what numpy's functions take. */
function numbersOf(v: Value): Tensor | undefined {
  if (!is(v, "list") && !is(v, "tuple")) return undefined;
  const data = v.items.map(numberOf);
  if (data.length === 0 || data.some((n) => n === undefined)) return undefined;
  const whole = v.items.every((i) => intOf(i) !== undefined);
  return { type: whole ? "int64" : "float32", shape: [data.length], data: Float64Array.from(data as number[]) };
}

/** The number in a tensor of one known entry. */
export function scalarTensor(v: Value): number | undefined {
  if (!is(v, "tensor") || !v.constant || !v.shape) return undefined;
  return v.shape.every((d) => d === 1) ? v.constant.at(0) : undefined;
}

/** An input of the model that is used as a plain number is one. */
function demandNumber(interpreter: Interpreter, v: Value, scalar: "int" | "float"): void {
  if (is(v, "tensor") && v.shape === undefined) interpreter.builder.needShape(v, { scalar });
}

function intList(interpreter: Interpreter, v: Value, name: string): number[] {
  demandNumber(interpreter, v, "int");
  const one = intOf(v) ?? scalarTensor(v);
  if (one !== undefined) return [one];
  const f = numberOf(v);
  if (f !== undefined && Number.isInteger(f)) return [f];
  if (v === null || is(v, "unknown") || is(v, "float")) return notUnderstood(`the argument ${name} is not known`);
  if (is(v, "tensor") && v.constant && v.shape?.length === 1) {
    const { constant } = v;
    return Array.from({ length: v.shape[0]! }, (_, i) => constant.at(i));
  }
  const items = is(v, "tensor") ? undefined : iterate(interpreter, v);
  if (!items) return notUnderstood(`the argument ${name} is not known`);
  return items.map((i) => {
    demandNumber(interpreter, i, "int");
    const n =
      intOf(i) ?? scalarTensor(i) ?? (numberOf(i) !== undefined && Number.isInteger(numberOf(i)) ? numberOf(i) : undefined);
    return n ?? notUnderstood(`a member of ${name} is not known`);
  });
}

/** The shape of a tensor. Demands one from an open input; throws NotUnderstood behind opaque operators. */
export function shapeOf(interpreter: Interpreter, t: TensorValue): readonly number[] {
  if (t.shape === undefined) interpreter.builder.needShape(t);
  return t.shape ?? notUnderstood("the shape of a tensor is not known");
}

/** A non-negative axis. Throws PythonError (IndexError) outside of the rank. */
export function axisOf(dim: number, rank: number): number {
  const axis = dim < 0 ? dim + rank : dim;
  if (axis < 0 || axis >= Math.max(rank, 1))
    raiseRank(`dimension ${dim} is out of range for a tensor with ${rank} dimensions`, rank, dim < 0 ? -dim : dim + 1);
  return axis;
}

/** A built-in function of that name with these parameters, separated by spaces; each call of it counts as one of the model's. */
export function counted(name: string, params: string, run: (a: Reader) => Value): [string, Value] {
  const names = params.split(" ");
  return [
    name,
    native(name, (interpreter, args) => {
      interpreter.calls++;
      return run(new Reader(interpreter, names, args));
    }),
  ];
}
