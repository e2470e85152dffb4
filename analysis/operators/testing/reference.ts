/**
 * @file Checks of operator table entries: values, shapes and types against ONNX Runtime on single-node models, tangents
 * against central differences. Inputs are float32 numbers, so that both precisions of the runtime start from the same ones.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as ort from "onnxruntime-node";
import { writeOnnx } from "../../frontends/onnx/index";
import type { Graph, Node } from "../../graph/graph";
import { type ElementType, elementCount, isFloating, type Shape, type Tensor } from "../../graph/tensor";
import { inferShapes } from "../inference";
import type { Operator } from "../operator";
import { operatorTable } from "../table";

/** One application of an operator. Floating inputs are fed, others are constants of the model. */
export interface Case {
  readonly operator: string;
  /** What is special about it, for the test's name. */
  readonly note?: string;
  readonly opset?: number;
  readonly attributes?: Node["attributes"];
  readonly inputs: readonly (Tensor | undefined)[];
  readonly outputs?: number;
  /** Floating inputs that are constants all the same (scales, bounds): they are neither fed nor moved. */
  readonly constants?: readonly number[];
  /** False where the runtime has no such operator: the values are not compared. */
  readonly runtime?: false;
  /** False where the derivative does not exist at the inputs or the runtime's random choice matters. */
  readonly differentiable?: false;
  /** Relative tolerance against the runtime in place of the default. */
  readonly tolerance?: number;
}

/** Seeded numbers in [0, 1): the multiplicative generator of Park and Miller. */
export function generator(seed: number): () => number {
  let state = (seed * 7919 + 12345) % 2147483647;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

/** A tensor of float32 numbers uniform in [low, high). */
export function floats(shape: Shape, seed = 1, low = -2, high = 2): Tensor {
  const next = generator(seed);
  const data = Float64Array.from({ length: elementCount(shape) }, () => Math.fround(low + (high - low) * next()));
  return { type: "float32", shape, data };
}

/** A tensor of listed float32 numbers. */
export function listed(values: readonly number[], shape: Shape = [values.length]): Tensor {
  return { type: "float32", shape, data: Float64Array.from(values, Math.fround) };
}

/** A tensor of integers. */
export function ints(values: readonly number[], shape: Shape = [values.length], type: ElementType = "int64"): Tensor {
  return { type, shape, data: Float64Array.from(values) };
}

/** A tensor of booleans. */
export function bools(values: readonly number[], shape: Shape = [values.length]): Tensor {
  return ints(values, shape, "bool");
}

/** The node of a case, with inputs x0, x1, .. and outputs y0, y1, .. */
export function nodeOf(c: Case): Node {
  return {
    name: "node",
    operator: c.operator,
    domain: "",
    inputs: c.inputs.map((t, i) => (t === undefined ? "" : `x${i}`)),
    outputs: Array.from({ length: c.outputs ?? 1 }, (_, i) => `y${i}`),
    attributes: c.attributes ?? {},
    origin: {},
  };
}

/** Whether an input is a variable of the case. */
function isFed(c: Case, index: number): boolean {
  const type = c.inputs[index]?.type;
  return type !== undefined && isFloating(type) && !c.constants?.includes(index);
}

/** A graph of the case's node alone. */
export function graphOf(c: Case): Graph {
  const node = nodeOf(c);
  const fed = c.inputs.flatMap((t, i) => (t && isFed(c, i) ? [{ name: `x${i}`, type: t.type, shape: t.shape }] : []));
  const constants = new Map(c.inputs.flatMap((t, i) => (t && !isFed(c, i) ? [[`x${i}`, t] as const] : [])));
  const graph: Graph = {
    name: "case",
    opset: c.opset ?? 21,
    inputs: fed,
    outputs: node.outputs,
    nodes: [node],
    parameters: new Map(),
    constants,
    types: new Map(),
  };
  return inferShapes(graph).graph;
}

function feed(tensor: Tensor, wide: boolean): ort.Tensor {
  return wide
    ? new ort.Tensor("float64", tensor.data, [...tensor.shape])
    : new ort.Tensor("float32", Float32Array.from(tensor.data), [...tensor.shape]);
}

/** The runtime's outputs, in double precision where it has such a kernel. */
export async function runtimeOutputs(c: Case): Promise<{ outputs: ort.Tensor[]; wide: boolean }> {
  const graph = graphOf(c);
  for (const wide of [true, false]) {
    const bytes = writeOnnx(graph, new Map(), { elementType: wide ? "float64" : "float32" });
    let session: ort.InferenceSession;
    try {
      session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4, intraOpNumThreads: 1 });
    } catch (error) {
      if (wide) continue;
      throw error;
    }
    const feeds: Record<string, ort.Tensor> = {};
    c.inputs.forEach((t, i) => {
      if (t && isFed(c, i)) feeds[`x${i}`] = feed(t, wide);
    });
    const results = await session.run(feeds);
    const outputs = graph.outputs.map((name) => results[name]!);
    await session.release();
    return { outputs, wide };
  }
  throw new Error("unreachable");
}

/** The entry of the table; fails where there is none. */
export function entryOf(name: string): Operator {
  return operatorTable(name, "") ?? assert.fail(`the operator table has no entry ${name}`);
}

/** The value of a case by the table's kernel. */
export function valueOf(c: Case, inputs: readonly (Tensor | undefined)[] = c.inputs): readonly Tensor[] {
  return entryOf(c.operator).evaluate!(nodeOf(c), inputs, c.opset ?? 21);
}

function label(c: Case): string {
  const attributes = JSON.stringify(c.attributes ?? {}, (_key, v: unknown) => (v instanceof Float64Array ? [...v] : v));
  const shapes = c.inputs.map((t) => (t ? `[${t.shape.join(",")}]` : "-")).join(" ");
  return `${c.operator}${c.opset ? `-${c.opset}` : ""} ${shapes}${attributes === "{}" ? "" : ` ${attributes}`}${c.note ? ` (${c.note})` : ""}`;
}

/** Compares numbers relative to the largest of them. */
export function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, `${what}: number of elements`);
  let scale = 1e-30;
  for (let i = 0; i < expected.length; i++) if (Number.isFinite(expected[i])) scale = Math.max(scale, Math.abs(expected[i]!));
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    if (Object.is(a, e) || a === e) continue;
    assert.ok(Math.abs(a - e) <= tolerance * scale, `${what}: element ${i} is ${a}, expected ${e}`);
  }
}

function numbers(t: ort.Tensor): number[] {
  return Array.from(t.data as ArrayLike<number | bigint>, Number);
}

/** Inferred shapes and types against the runtime's, for entries without a value of their own. */
async function checkShapes(c: Case): Promise<void> {
  const types = graphOf(c).types;
  const { outputs } = await runtimeOutputs(c);
  outputs.forEach((expected, i) => {
    const type = types.get(`y${i}`)!;
    assert.deepEqual(type.shape, [...expected.dims], `shape of output ${i}`);
    if (!isFloating(type.type)) assert.equal(type.type, expected.type, `type of output ${i}`);
  });
}

async function checkValues(c: Case): Promise<void> {
  if (entryOf(c.operator).evaluate === undefined) return checkShapes(c);
  const values = valueOf(c);
  const types = graphOf(c).types;
  values.forEach((value, i) => {
    if (i >= (c.outputs ?? 1)) return;
    const type = types.get(`y${i}`);
    assert.deepEqual(type?.shape, [...value.shape], `shape inference of output ${i}`);
    assert.equal(type?.type, value.type, `type inference of output ${i}`);
    assert.equal(value.data.length, elementCount(value.shape), "the data fit the shape");
  });
  if (c.runtime === false) return;
  const { outputs, wide } = await runtimeOutputs(c);
  outputs.forEach((expected, i) => {
    const value = values[i]!;
    assert.deepEqual([...value.shape], [...expected.dims], `shape of output ${i}`);
    if (!isFloating(value.type)) assert.equal(value.type, expected.type, `type of output ${i}`);
    assertClose(value.data, numbers(expected), c.tolerance ?? (wide ? 1e-12 : 3e-6), `output ${i}`);
  });
}

/** Central differences of the first output along `directions`, with step h. */
function difference(c: Case, directions: readonly (Tensor | undefined)[], h: number): Float64Array {
  const moved = (sign: number): (Tensor | undefined)[] =>
    c.inputs.map((t, i) => {
      const d = directions[i];
      return t && d ? { ...t, data: t.data.map((v, k) => v + sign * h * d.data[k]!) } : t;
    });
  const up = valueOf(c, moved(1))[0]!.data;
  const down = valueOf(c, moved(-1))[0]!.data;
  return up.map((v, k) => (v - down[k]!) / (2 * h));
}

function checkTangent(c: Case): void {
  const entry = entryOf(c.operator);
  const y = valueOf(c)[0]!;
  const movable = c.inputs.flatMap((_, i) => (isFed(c, i) ? [i] : []));
  const all = c.inputs.map((t, i) => (movable.includes(i) ? { ...floats(t!.shape, 90 + i, -1, 1), type: t!.type } : undefined));
  // Along all inputs together, and along each alone.
  for (const moving of [movable, ...(movable.length > 1 ? movable.map((i) => [i]) : [])]) {
    const directions = all.map((d, i) => (moving.includes(i) ? d : undefined));
    const tangent = entry.tangent!(nodeOf(c), c.inputs, y, directions, c.opset ?? 21);
    const expected = isFloating(y.type) ? difference(c, directions, 1e-5) : new Float64Array(y.data.length);
    const actual = tangent?.data ?? new Float64Array(y.data.length);
    if (tangent) assert.deepEqual([...tangent.shape], [...y.shape], "shape of the tangent");
    assertClose(actual, expected, 2e-7, `tangent along ${moving.map((i) => `input ${i}`).join(", ")}`);
  }
  const still = entry.tangent!(
    nodeOf(c),
    c.inputs,
    y,
    c.inputs.map(() => undefined),
    c.opset ?? 21,
  );
  assert.equal(still, undefined, "no direction, no tangent");
}

/** Tests for all cases, and one that every entry of the family has a case. */
export function testOperators(family: string, entries: readonly Operator[], cases: readonly Case[]): void {
  describe(`${family} against ONNX Runtime and central differences`, () => {
    it("has a case for every entry", () => {
      const covered = new Set(cases.map((c) => c.operator));
      assert.deepEqual(
        entries.map((e) => e.name).filter((name) => !covered.has(name)),
        [],
      );
    });
    for (const c of cases) {
      it(label(c), async () => {
        await checkValues(c);
        if (c.differentiable !== false && entryOf(c.operator).tangent !== undefined) checkTangent(c);
      });
    }
  });
}
