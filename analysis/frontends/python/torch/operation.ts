/** @file What an operation of torch is: its names, its parameters, and the operators it emits. */
import type { GraphBuilder } from "../emit/builder";
import { native, type NativeValue, type Value } from "../values/value";
import { Reader } from "./arguments";

export interface Operation {
  /** Parameters in order; the first is the tensor that a method is called on. */
  readonly params: readonly string[];
  readonly run: (a: Reader, b: GraphBuilder) => Value;
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
      interpreter.calls++;
      return operation.run(new Reader(interpreter, operation.params, args), interpreter.builder);
    });
    this.natives.set(name, made);
    return made;
  }
}
