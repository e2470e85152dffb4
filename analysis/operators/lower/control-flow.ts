/** @file Control flow whose course is known ahead: the branch that is taken, and loops unrolled. */
import { formalInputs, type Graph, numberAttribute, numbersAttribute } from "../../graph/graph";
import { scalar } from "../../graph/tensor";
import type { Lowering } from "../operator";
import { concat, input, outputs, positive, reshape, shapeOf, slice } from "./build";

/** Loops of more iterations stay as they are, and are opaque. */
const MOST_ITERATIONS = 64;

/** A graph-valued attribute. */
function body(l: Lowering, name: string): Graph | undefined {
  const value = l.node.attributes[name];
  return typeof value === "object" && "nodes" in value ? value : undefined;
}

/** If with a constant condition: the branch that is taken. */
export function lowerIf(l: Lowering): readonly string[] | undefined {
  const condition = input(l, 0);
  const value = condition === undefined ? undefined : l.constant(condition)?.data[0];
  if (value === undefined) return undefined;
  const branch = body(l, value !== 0 ? "then_branch" : "else_branch");
  return branch && l.inline(branch, []);
}

/** The values of all steps along a new axis; undefined without steps or shapes. */
function stack(l: Lowering, steps: readonly string[], axis: number): string | undefined {
  const shape = shapeOf(l, steps[0]);
  if (shape === undefined) return undefined;
  const at = positive(axis, shape.length + 1);
  const wide = [...shape.slice(0, at), 1, ...shape.slice(at)];
  return concat(
    l,
    steps.map((s) => reshape(l, s, wide)),
    at,
  );
}

/**
 * Loop with a known number of iterations, unrolled. All of them are: an iteration may pick its own parameters by its
 * number (stacked layers), so that none may be left out.
 */
export function lowerLoop(l: Lowering): readonly string[] | undefined {
  const graph = body(l, "body");
  const [limit, go] = [input(l, 0), input(l, 1)];
  if (graph === undefined) return undefined;
  const count = limit === undefined ? Number.POSITIVE_INFINITY : l.constant(limit)?.data[0];
  if (count === undefined || (count > MOST_ITERATIONS && count < 2 ** 31)) return undefined;
  const initial = formalInputs(l.node).slice(2);
  let states: readonly string[] = initial;
  let condition = go;
  const scanned: string[][] = l.node.outputs.slice(initial.length).map(() => []);
  for (let i = 0; i < count; i++) {
    const value = condition === undefined ? 1 : l.constant(condition)?.data[0];
    if (value === undefined || i > MOST_ITERATIONS) return undefined;
    if (value === 0) break;
    const number = l.addConstant(scalar(i, "int64"));
    const results = l.inline(graph, [number, l.addConstant(scalar(1, "bool")), ...states]);
    condition = results[0] === "" ? undefined : results[0];
    states = results.slice(1, 1 + initial.length);
    scanned.forEach((list, k) => list.push(results[1 + initial.length + k]!));
  }
  const stacked = scanned.map((steps) => stack(l, steps, 0));
  const values = [...states, ...stacked];
  return values.some((v, k) => v === undefined && l.node.outputs[k] !== "") ? undefined : (values as string[]);
}

/** Scan: as many iterations as its sequences are long, or as few as the normal form wants of a recurrence. */
export function lowerScan(l: Lowering): readonly string[] | undefined {
  const graph = body(l, "body");
  const sequences = numberAttribute(l.node, "num_scan_inputs", 0);
  if (graph === undefined || sequences < 1 || l.opset < 9) return undefined;
  const inputs = formalInputs(l.node);
  const stateCount = inputs.length - sequences;
  const inputAxes = numbersAttribute(l.node, "scan_input_axes") ?? [];
  const inputDirections = numbersAttribute(l.node, "scan_input_directions") ?? [];
  const outputAxes = numbersAttribute(l.node, "scan_output_axes") ?? [];
  const outputDirections = numbersAttribute(l.node, "scan_output_directions") ?? [];
  const read: { value: string; axis: number; backward: boolean }[] = [];
  let total: number | undefined;
  for (const [k, value] of inputs.slice(stateCount).entries()) {
    const shape = shapeOf(l, value);
    if (shape === undefined) return undefined;
    const axis = positive(inputAxes[k] ?? 0, shape.length);
    total = shape[axis]!;
    read.push({ value, axis, backward: inputDirections[k] === 1 });
  }
  const collected = l.node.outputs.slice(stateCount).map((value, k) => {
    return { value, axis: positive(outputAxes[k] ?? 0, shapeOf(l, value)?.length ?? 0) };
  });
  const steps = Math.min(total ?? 0, l.recurrentSteps(read, collected));
  if (total === undefined || steps < 1 || steps > MOST_ITERATIONS) return undefined;
  if (steps < total) l.note(`Scan: ${steps} of ${total} steps are unrolled, they share their parameters`);
  let states: readonly string[] = inputs.slice(0, stateCount);
  const written: string[][] = l.node.outputs.slice(stateCount).map(() => new Array<string>(steps));
  for (let i = 0; i < steps; i++) {
    const items = read.map(({ value, axis, backward }) => {
      const at = backward ? steps - 1 - i : i;
      const shape = shapeOf(l, value)!;
      return reshape(
        l,
        slice(l, value, axis, at, at + 1),
        shape.filter((_, a) => a !== axis),
      );
    });
    const results = l.inline(graph, [...states, ...items]);
    states = results.slice(0, stateCount);
    written.forEach((list, k) => {
      list[outputDirections[k] === 1 ? steps - 1 - i : i] = results[stateCount + k]!;
    });
  }
  const missing = new Array<number>(total - steps).fill(0);
  const stacked = written.map((list, k) => stack(l, [...list, ...missing.map(() => list[steps - 1]!)], outputAxes[k] ?? 0));
  if (stacked.some((v, k) => v === undefined && l.node.outputs[stateCount + k] !== "")) return undefined;
  const values = [...states, ...stacked];
  return outputs(l, ...values.map((v) => () => v ?? ""));
}
