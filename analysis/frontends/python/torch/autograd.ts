/** @file `torch.autograd`: functions with gradients of their own compute what their forward computes. */
import { tryAttribute } from "../evaluator/attributes";
import { makeClass } from "../evaluator/classes";
import { notUnderstood } from "../evaluator/errors";
import { call } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { is } from "../values/inspect";
import { native, tuple } from "../values/make";
import type { Arguments, Value } from "../values/value";

/** `autograd.Function.apply`: opaque, with the shape of the first tensor. */
export function applyFunction(i: Interpreter, args: Arguments): Value {
  const [cls, ...rest] = args.positional;
  const forward = is(cls, "class") && cls.module ? tryAttribute(i, cls, "forward") : undefined;
  const context = is(forward, "function") && i.environment.builtin("object");
  if (forward !== undefined && is(context, "class")) {
    // What it computes is what its forward computes; only its gradient is its own.
    i.notes.add(`${is(cls, "class") ? cls.name : "a function"} has a gradient of its own`);
    const ignore = (name: string): Value => native(name, () => null);
    const kept = makeClass({
      name: "context",
      bases: [context],
      fields: [],
      attributes: new Map(
        ["save_for_backward", "mark_non_differentiable", "set_materialize_grads", "mark_dirty"].map((n) => [n, ignore(n)]),
      ),
      missing: (_, __, name) => (name === "needs_input_grad" ? tuple(rest.map(() => true)) : undefined),
    });
    return call(i, forward, {
      positional: [{ k: "instance", id: i.id(), cls: kept, attributes: new Map() }, ...rest],
      keywords: args.keywords,
    });
  }
  const tensors = i.tensorsIn(rest);
  const name = is(cls, "class") ? `${cls.name}.apply` : "apply";
  if (tensors.length === 0) return notUnderstood(`${name} without tensors`);
  i.calls++;
  i.noteOpaque(name, "a custom autograd function");
  const first = tensors[0]!;
  return i.builder.opaque(name, tensors, first.shape ? { type: first.type, shape: first.shape } : undefined);
}
