/** @file What an operation of torch is: its names, its parameters, and the operators it emits. */
import type { GraphBuilder } from "../emit/builder";
import { tryAttribute } from "../evaluator/attributes";
import { notUnderstood } from "../evaluator/errors";
import { call } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { is } from "../values/inspect";
import { native } from "../values/make";
import type { Arguments, InstanceValue, NativeValue, Value } from "../values/value";
import { Reader } from "./arguments";

/** Functions whose calls are training facts. */
const LOSSES = new Set([
  "cross_entropy",
  "nll_loss",
  "mse_loss",
  "l1_loss",
  "smooth_l1_loss",
  "huber_loss",
  "binary_cross_entropy",
  "binary_cross_entropy_with_logits",
  "kl_div",
  "cosine_embedding_loss",
  "triplet_margin_loss",
  "ctc_loss",
  "margin_ranking_loss",
]);

/** One function of torch, which is also a method of tensors. */
export interface Operation {
  /** Parameters in order; the first is the tensor that a method is called on. */
  readonly params: readonly string[];
  readonly run: (a: Reader, b: GraphBuilder) => Value;
}

/** A tensor of complex numbers: the pair that the prelude makes. */
function isComplex(v: Value): v is InstanceValue {
  if (is(v, "instance")) return v.cls.name === "ComplexTensor" && v.cls.chunk?.file === "<torch._complex>";
  return (is(v, "list") || is(v, "tuple")) && v.items.some((x) => is(x, "instance") && isComplex(x));
}

/** An operation that complex tensors take part in: what the prelude says of it, or their own method. */
function onComplex(interpreter: Interpreter, name: string, args: Arguments): Value | undefined {
  const first = args.positional.find(isComplex) ?? [...args.keywords.values()].find(isComplex);
  if (first === undefined) return undefined;
  const module = interpreter.environment.importModule("torch._complex", undefined);
  const written = is(module, "namespace") ? module.get(name) : undefined;
  if (is(written, "function")) return call(interpreter, written, args);
  const [self, ...rest] = args.positional;
  const method = is(self, "instance") ? tryAttribute(interpreter, self, name) : undefined;
  return method === undefined
    ? notUnderstood(`${name} of complex tensors`)
    : call(interpreter, method, { ...args, positional: rest });
}

/** Operations by name. One table serves `torch.f(x)`, `F.f(x)` and `x.f()`. */
export class OperationTable {
  private readonly entries = new Map<string, Operation>();
  private readonly natives = new Map<string, NativeValue>();

  /** Adds an operation under its names (separated by spaces); parameters likewise. */
  add(names: string, params: string, run: Operation["run"]): void {
    const operation = { params: params.split(" ").filter((p) => p !== ""), run };
    for (const n of names.split(" ")) this.entries.set(n, operation);
  }

  get(name: string): Operation | undefined {
    return this.entries.get(name);
  }

  names(): string[] {
    return [...this.entries.keys()];
  }

  /** The operation as a callable; counts as a call on tensors. */
  callable(name: string): NativeValue | undefined {
    const known = this.natives.get(name);
    if (known) return known;
    const operation = this.entries.get(name);
    if (!operation) return undefined;
    const made = native(name, (interpreter, args) => {
      const complex = onComplex(interpreter, name, args);
      if (complex !== undefined) return complex;
      interpreter.calls++;
      if (LOSSES.has(name)) interpreter.onFact?.(`loss.${name}`, args, null);
      else if (name === "backward") interpreter.onFact?.("backward", args, null);
      const reader = new Reader(interpreter, operation.params, args);
      const result = operation.run(reader, interpreter.builder);
      if (reader.value("inplace") !== true) return result;
      const input = reader.value("input");
      if (is(input, "tensor") && is(result, "tensor") && !input.parameter) interpreter.builder.overwrite(input, result);
      return result;
    });
    this.natives.set(name, made);
    return made;
  }
}
