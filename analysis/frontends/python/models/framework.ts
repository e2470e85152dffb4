/**
 * @file What differs between the frameworks whose models are read: which method says what a model computes, how modules
 * hold each other, and how parameters are named. The graph that comes out is the same kind for all of them.
 */
import { callModule } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { namedModules } from "../torch/layers/module";
import { is } from "../values/inspect";
import type { Arguments, ClassValue, InstanceValue, TensorValue, Value } from "../values/value";

/** A framework. */
export interface Framework {
  readonly name: string;
  /** The method that users write to say what a model computes. */
  readonly method: string;
  /** What stands between the parts of a parameter's path. */
  readonly separator: string;
  /** All modules below and including one, with their paths; the root's is empty. Each object once. */
  modules(root: InstanceValue): [path: string, module: InstanceValue][];
  /** The parameters and buffers that a module holds itself, by name. */
  ownTensors(module: InstanceValue): [name: string, tensor: TensorValue][];
  /** Runs a model as the root of a graph. */
  call(interpreter: Interpreter, root: InstanceValue, args: Arguments): Value;
  /** What a model returns that is a graph already, because its layers were applied when it was made. */
  traced?(interpreter: Interpreter, root: InstanceValue): Value | undefined;
  /** The arguments of a model that says itself what shapes it takes. */
  declared?(interpreter: Interpreter, root: InstanceValue): Arguments | undefined;
  /** Attributes of arrays where they are not torch's. */
  readonly arrayAttribute?: (interpreter: Interpreter, t: TensorValue, name: string) => Value | undefined;
  /** Values of constructor parameters that every module of the framework takes. */
  argument?(interpreter: Interpreter, name: string): Value | undefined;
  /** Whether a class of the user's is a model rather than a helper: it says what it computes. */
  isModel?(cls: ClassValue): boolean;
}

/** PyTorch: modules are attributes, parameters are named by attributes. */
export const TORCH: Framework = {
  name: "torch",
  method: "forward",
  separator: ".",
  modules: (root) => namedModules(root),
  ownTensors(module) {
    const out: [string, TensorValue][] = [];
    for (const [k, v] of module.attributes) if (is(v, "tensor") && v.parameter) out.push([k, v]);
    return out;
  },
  call: callModule,
};

/** The framework that a class belongs to. */
export function frameworkOf(cls: ClassValue): Framework {
  return cls.order.find((c) => c.framework)?.framework ?? TORCH;
}

/** A path and a name below it. */
export function joined(framework: Framework, path: string, name: string): string {
  return path === "" ? name : `${path}${framework.separator}${name}`;
}

/** Parameters and buffers below a module with their paths; shared ones once, under their first name. */
export function tensorsBelow(framework: Framework, root: InstanceValue): [string, TensorValue][] {
  const out: [string, TensorValue][] = [];
  const seen = new Set<number>();
  for (const [path, m] of framework.modules(root)) {
    for (const [k, v] of framework.ownTensors(m)) {
      if (!v.parameter || seen.has(v.parameter.id)) continue;
      seen.add(v.parameter.id);
      out.push([joined(framework, path, k), v]);
    }
  }
  return out;
}
