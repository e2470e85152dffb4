/**
 * @file Visible edges and units. Operators that are linear without a gain of their own are *glue*; a value between glue only
 * is *hidden* and carries no field, since what glue does as a whole (centring, a rotary rotation) is what fields have to
 * commute with, not its parts. A visible value together with the glue that feeds it is a *unit*.
 */
import type { Node } from "../../graph/graph";
import type { Network, Step } from "../counting/network";
import { Program } from "../counting/program";

/** Operators that only carry their first input along; other inputs (targets, indices) have to be constants. */
const SUMS: ReadonlySet<string> = new Set(["Add", "Sub", "Sum", "Mean", "Concat"]);
/** Linear in one operand where the others are constants. */
const BILINEAR: ReadonlySet<string> = new Set(["Mul", "MatMul", "Einsum", "Conv", "ConvTranspose"]);
/** Contractions of activations with parameters: what writes and reads channels. */
const CONTRACTIONS: ReadonlySet<string> = new Set(["MatMul", "Einsum", "Conv", "ConvTranspose", "Gather"]);

/** A visible value and what computes it from visible values. */
export interface Unit {
  readonly output: string;
  readonly program: Program;
  /** Visible, differentiable activations that the output hangs on. */
  readonly inputs: readonly string[];
  /** Trainable and frozen parameters that it hangs on. */
  readonly parameters: readonly string[];
  /** The operator that is not glue, or undefined for a unit of glue only. */
  readonly node: Node | undefined;
}

/** Whether an operator is linear in its activations and mixes in no gain, so that edges between such carry no field. */
export function isGlue(network: Network, step: Step): boolean {
  const { node } = step;
  const used = node.inputs.filter((i) => i !== "");
  const moving = used.filter((i) => network.isActivation(i));
  if (moving.length === 0 || moving.some((i) => !network.isDifferentiable(i))) return false;
  if (SUMS.has(node.operator)) return true;
  const isTable = (i: string): boolean => node.operator === "Mul" && network.isFrozen(i);
  const fixed = used.every((i) => moving.includes(i) || network.kind(i) === "constant" || isTable(i));
  if (!fixed) return false;
  if (BILINEAR.has(node.operator)) return moving.length === 1 && used.filter((i) => i === moving[0]).length === 1;
  if (node.operator === "Div") return !moving.includes(node.inputs[1]!);
  if (node.operator === "Where") return !moving.includes(node.inputs[0]!);
  const glue = step.operator.equivariance?.glue ?? false;
  return glue && moving.every((i) => i === node.inputs[0]);
}

/** Whether the node contracts activations with (something made of) parameters only. */
export function isParameterContraction(network: Network, node: Node): boolean {
  return CONTRACTIONS.has(node.operator) && node.inputs.some((i) => network.kind(i) === "parameter");
}

/** Whether a value is a sum of activations of its own shape that several operators read: a residual stream. */
export function isStream(network: Network, step: Step): boolean {
  const { node } = step;
  if (node.operator !== "Add" && node.operator !== "Sub" && node.operator !== "Sum") return false;
  const shape = network.shape(node.outputs[0]!).join();
  const terms = node.inputs.filter((i) => network.isActivation(i));
  return (
    terms.length > 1 && terms.every((i) => network.shape(i).join() === shape) && network.consumers(node.outputs[0]!).length > 1
  );
}

/** The units that compute given values from one another, in topological order; what else they compute on the way is hidden. */
export function unitsBetween(network: Network, visible: ReadonlySet<string>): Unit[] {
  return network.steps.flatMap(({ node }) => {
    const output = node.outputs[0] ?? "";
    return visible.has(output) ? [unitOf(network, output, visible, node)] : [];
  });
}

/** The visible activations of a network and the units that compute them, in topological order. */
export function visibleUnits(network: Network): Unit[] {
  const glue = new Map<Node, boolean>();
  for (const step of network.steps) glue.set(step.node, isGlue(network, step));
  const observed = new Set(network.outputs);
  const visible = new Set<string>();
  for (const input of network.inputs) visible.add(input.name);
  for (const step of network.steps) {
    const value = step.node.outputs[0] ?? "";
    if (!network.isActivation(value) || !network.isDifferentiable(value)) continue;
    const hidden =
      glue.get(step.node) === true &&
      !observed.has(value) &&
      network.consumers(value).every((n) => glue.get(n) === true) &&
      !isStream(network, step);
    if (!hidden) visible.add(value);
  }
  const units: Unit[] = [];
  for (const step of network.steps) {
    const output = step.node.outputs[0] ?? "";
    if (!visible.has(output)) continue;
    units.push(unitOf(network, output, visible, glue.get(step.node) ? undefined : step.node));
  }
  return units;
}

function unitOf(network: Network, output: string, visible: ReadonlySet<string>, node: Node | undefined): Unit {
  const program = new Program(network, [output], visible);
  return {
    output,
    program,
    inputs: program.leaves.filter((v) => network.isActivation(v) && network.isDifferentiable(v)),
    parameters: program.leaves.filter((v) => network.graph.parameters.has(v)),
    node,
  };
}
