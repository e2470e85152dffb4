/**
 * @file Test support: one operator as a graph of its own, differentiated; its gradients against central differences in
 * float64 through the table's own kernels, and the same nodes in ONNX Runtime in float32: what a rule emits has to be
 * accepted there and to have the same value. Operators without a rule of their own are lowered first, as for training.
 */
import assert from "node:assert/strict";
import * as ort from "onnxruntime-node";
import { writeOnnx } from "../../frontends/onnx/write";
import type { Attribute, Graph } from "../../graph/graph";
import { elementCount, isFloating, type Shape, type Tensor } from "../../graph/tensor";
import { primitiveForm } from "../../lowering/normal-form";
import { Random } from "../../numerics/random";
import { toWire } from "../../runtime/values";
import { evaluateGraph } from "../evaluate";
import { GraphBuilder } from "../gradients/builder";
import { backpropagate } from "../gradients/reverse";
import { inferShapes } from "../inference";
import { operatorTable } from "../table";

/** An operator at a point. */
export interface Case {
  readonly operator: string;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Inputs that do not vary, besides those that are not floating. */
  readonly constants?: readonly number[];
  readonly outputs?: number;
  /** Outputs that the scalar depends on (default: the first). */
  readonly seeds?: readonly number[];
  readonly note?: string;
  /** Version of the operator set (default 21). */
  readonly opset?: number;
  /** False where ONNX Runtime has no kernel. */
  readonly runtime?: boolean;
}

const random = new Random(11);
/** Values between low and high, no two of which are closer than a hundredth of the range where there are few. */
export function values(shape: Shape, low = -1.5, high = 1.5): Tensor {
  const n = elementCount(shape);
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return {
    type: "float32",
    shape,
    data: Float64Array.from(order, (k) => Math.fround(low + ((k + 0.3 + 0.4 * random.uniform()) / n) * (high - low))),
  };
}
/** Integers. */
export const whole = (list: readonly number[], shape: Shape = [list.length], type: Tensor["type"] = "int64"): Tensor => ({
  type,
  shape,
  data: Float64Array.from(list),
});
/** Listed numbers. */
export const fixed = (list: readonly number[], shape: Shape = [list.length]): Tensor => whole(list, shape, "float32");

/** A graph of the case's node, the sum of its seeded outputs times given weights differentiated by its inputs. */
export function build(c: Case): { forward: Graph; backward: Graph; wanted: string[] } {
  const isMoving = (i: number) => c.inputs[i] !== undefined && isFloating(c.inputs[i].type) && !c.constants?.includes(i);
  const entries = c.inputs.flatMap((t, i) => (t === undefined ? [] : [[`x${i}`, t, isMoving(i)] as const]));
  const node = {
    name: "node",
    operator: c.operator,
    domain: "",
    inputs: c.inputs.map((t, i) => (t === undefined ? "" : `x${i}`)),
    outputs: Array.from({ length: c.outputs ?? 1 }, (_, i) => `y${i}`),
    attributes: c.attributes ?? {},
    origin: {},
  };
  const inferred = inferShapes({
    name: "case",
    opset: c.opset ?? 21,
    inputs: entries.flatMap(([name, t, moving]) => (moving ? [{ name, type: t.type, shape: t.shape }] : [])),
    outputs: node.outputs,
    nodes: [node],
    parameters: new Map(),
    constants: new Map(entries.flatMap(([name, t, moving]) => (moving ? [] : [[name, t] as const]))),
    types: new Map(),
  }).graph;
  const forward = operatorTable(c.operator, "")?.gradient ? inferred : primitiveForm(inferred, () => false);
  const builder = new GraphBuilder(forward, operatorTable);
  const seeds = new Map<string, string>();
  for (const k of c.seeds ?? [0]) {
    const type = forward.types.get(forward.outputs[k]!)!;
    if (isFloating(type.type)) seeds.set(forward.outputs[k]!, builder.addInput(`c${k}`, "float32", type.shape!));
  }
  const wanted = forward.inputs.map((i) => i.name);
  const found = backpropagate(builder, seeds, wanted);
  return { forward, backward: builder.finish([...found.values()]), wanted: wanted.filter((w) => found.has(w)) };
}

/** A test's name. */
export const label = (c: Case): string =>
  `${c.operator} ${c.inputs.map((t) => (t ? `[${t.shape.join()}]` : "-")).join(" ")} ${JSON.stringify(c.attributes ?? {})}${c.note ? ` (${c.note})` : ""}`;

/** Asserts that numbers agree relative to the largest expected one. */
export function close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, `${what}: number of elements`);
  const scale = Math.max(1e-3, ...Array.from(expected, Math.abs));
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    assert.ok(Math.abs(a - e) <= tolerance * scale, `${what}: element ${i} is ${a}, expected ${e}`);
  }
}

/** The whole check of a case. */
export async function checkGradients(c: Case): Promise<void> {
  const { forward, backward, wanted } = build(c);
  const point = new Map(forward.inputs.map((i) => [i.name, c.inputs[Number(i.name.slice(1))]!]));
  const weights = new Map(backward.inputs.filter((i) => i.name.startsWith("c")).map((i) => [i.name, values(i.shape)] as const));
  const scalar = (at: ReadonlyMap<string, Tensor>): number => {
    const all = evaluateGraph(forward, at);
    let sum = 0;
    for (const [name, w] of weights) {
      const y = all.get(forward.outputs[Number(name.slice(1))]!)!;
      for (let k = 0; k < w.data.length; k++) sum += w.data[k]! * y.data[k]!;
    }
    return sum;
  };
  const exact = evaluateGraph(backward, new Map([...point, ...weights]));
  for (const [k, name] of wanted.entries()) {
    const x = point.get(name)!;
    const gradient = exact.get(backward.outputs[k]!)!;
    assert.deepEqual([...gradient.shape], [...x.shape], `${name}: shape`);
    const h = 1e-5;
    const numeric = x.data.map((v, i) => {
      const moved = (to: number) => scalar(new Map([...point, [name, { ...x, data: x.data.with(i, to) }]]));
      return (moved(v + h) - moved(v - h)) / (2 * h);
    });
    close(gradient.data, numeric, 1e-6, name);
  }
  for (const input of forward.inputs.filter((i) => !wanted.includes(i.name))) {
    const x = point.get(input.name)!;
    const up = scalar(new Map([...point, [input.name, { ...x, data: x.data.map((v) => v + 1e-6) }]]));
    assert.ok(Math.abs(up - scalar(point)) < 1e-12, `${input.name} has no gradient but moves the output`);
  }
  if (c.runtime === false || wanted.length === 0) return;
  const session = await ort.InferenceSession.create(writeOnnx(backward), { logSeverityLevel: 4, intraOpNumThreads: 1 });
  const feeds: Record<string, ort.Tensor> = {};
  for (const [name, t] of [...point, ...weights]) {
    if (!session.inputNames.includes(name)) continue;
    const wire = toWire(t);
    feeds[name] = new ort.Tensor("float32", wire.data as Float32Array, [...wire.shape]);
  }
  const found = await session.run(feeds);
  for (const name of backward.outputs) {
    close(found[name]!.data as Float32Array, exact.get(name)!.data, 3e-5, `${name} in ONNX Runtime`);
  }
  await session.release();
}
