/**
 * @file Groups of primitives that ONNX Runtime has as one operator, put back: lowering takes everything apart for the
 * engines, but a step of training is faster, forward and backward, on slices that are one Split (whose gradient is one
 * Concat instead of as many padded sums), on Gelu, and on affine maps as one product of matrices.
 */
import { consumers, type Graph, type Node, numbersAttribute, producers } from "../graph/graph";
import { elementCount, int64Vector, type Shape, type Tensor, type TensorType } from "../graph/tensor";

/** A graph that is being rewritten: nodes that are left out, and those that take the place of others. */
interface Rewriting {
  readonly graph: Graph;
  readonly constants: Map<string, Tensor>;
  readonly types: Map<string, TensorType>;
  readonly dropped: Set<Node>;
  readonly replaced: Map<Node, readonly Node[]>;
  /** The only node that reads a value, undefined where several do or it is an output. */
  only(value: string): Node | undefined;
}

/** Puts groups of primitives together. The function stays the same, up to rounding. */
export function fuse(graph: Graph): Graph {
  return [fuseSlices, fuseGelu, fuseAffine].reduce(apply, graph);
}

function apply(graph: Graph, pass: (r: Rewriting) => void): Graph {
  const readers = consumers(graph);
  const outputs = new Set(graph.outputs);
  const r: Rewriting = {
    graph,
    constants: new Map(graph.constants),
    types: new Map(graph.types),
    dropped: new Set(),
    replaced: new Map(),
    only(value) {
      const list = readers.get(value) ?? [];
      return list.length === 1 && !outputs.has(value) ? list[0] : undefined;
    },
  };
  pass(r);
  if (r.replaced.size === 0) return graph;
  const nodes = graph.nodes.flatMap((n) => (r.dropped.has(n) ? [] : (r.replaced.get(n) ?? [n])));
  return { ...graph, nodes, constants: r.constants, types: r.types };
}

const standard = (node: Node | undefined, operator: string): node is Node =>
  node !== undefined && node.operator === operator && node.domain === "";

/** One axis of a value that a Slice takes a piece of, without steps. */
function pieceOf(graph: Graph, node: Node, shape: Shape): { axis: number; start: number; end: number } | undefined {
  const one = (index: number): number | undefined => {
    const data = graph.constants.get(node.inputs[index] ?? "")?.data;
    return data?.length === 1 ? data[0] : undefined;
  };
  const [start, end, axis] = [one(1), one(2), one(3)];
  if (start === undefined || end === undefined || axis === undefined || (node.inputs[4] && one(4) !== 1)) return undefined;
  const at = axis < 0 ? axis + shape.length : axis;
  const size = shape[at]!;
  const place = (v: number) => Math.max(0, Math.min(size, v < 0 ? v + size : v));
  return { axis: at, start: place(start), end: place(end) };
}

/** Slices that share out an axis of a value without rest. */
function fuseSlices(r: Rewriting): void {
  for (const [value, readers] of consumers(r.graph)) {
    const shape = r.types.get(value)?.shape;
    const slices = readers.filter((n) => standard(n, "Slice") && n.inputs[0] === value);
    if (slices.length < 2 || shape === undefined) continue;
    const pieces = slices.flatMap((node) => {
      const piece = pieceOf(r.graph, node, shape);
      return piece ? [{ node, ...piece }] : [];
    });
    const [first] = pieces;
    if (first === undefined || pieces.length < slices.length || pieces.some((p) => p.axis !== first.axis)) continue;
    const ordered = pieces.toSorted((a, b) => a.start - b.start);
    const isWhole = ordered.every((p, k) => p.start === (ordered[k - 1]?.end ?? 0) && p.end > p.start);
    if (!isWhole || ordered.at(-1)!.end !== shape[first.axis]) continue;
    const sizes = `${value}/sizes`;
    r.constants.set(sizes, int64Vector(ordered.map((p) => p.end - p.start)));
    r.types.set(sizes, { type: "int64", shape: [ordered.length] });
    const split: Node = {
      ...slices[0]!,
      operator: "Split",
      inputs: [value, sizes],
      outputs: ordered.map((p) => p.node.outputs[0]!),
      attributes: { axis: first.axis },
    };
    for (const node of slices.slice(1)) r.dropped.add(node);
    r.replaced.set(slices[0]!, [split]);
  }
}

/** x (1 + erf(x / sqrt 2)) / 2, whichever of the products comes first. */
function fuseGelu(r: Rewriting): void {
  const writers = producers(r.graph);
  const number = (value: string | undefined): number | undefined => {
    const data = r.graph.constants.get(value ?? "")?.data;
    return data?.length === 1 ? data[0] : undefined;
  };
  /** The other input of a Mul or Add beside a constant near `expected`. */
  const beside = (node: Node | undefined, operator: string, expected: number): string | undefined => {
    if (!standard(node, operator)) return undefined;
    const at = node.inputs.findIndex((i) => Math.abs((number(i) ?? Number.NaN) - expected) < 1e-6);
    return at < 0 ? undefined : node.inputs[1 - at];
  };
  for (const erf of r.graph.nodes) {
    if (!standard(erf, "Erf")) continue;
    const inner = writers.get(erf.inputs[0]!);
    const x = beside(inner, "Mul", Math.SQRT1_2);
    const sum = r.only(erf.outputs[0]!);
    if (x === undefined || r.only(inner!.outputs[0]!) !== erf || beside(sum, "Add", 1) === undefined) continue;
    const members = [inner!, erf, sum!];
    let value = sum!.outputs[0]!;
    let [halved, multiplied] = [false, false];
    while (!halved || !multiplied) {
      const next = r.only(value);
      if (!halved && beside(next, "Mul", 0.5) === value) halved = true;
      else if (!multiplied && standard(next, "Mul") && next.inputs.includes(value)) {
        const other = next.inputs[0] === value ? next.inputs[1]! : next.inputs[0]!;
        const half = writers.get(other);
        if (other === x) multiplied = true;
        else if (!halved && beside(half, "Mul", 0.5) === x && r.only(other) === next) {
          [halved, multiplied] = [true, true];
          members.push(half!);
        } else break;
      } else break;
      members.push(next!);
      value = next!.outputs[0]!;
    }
    if (!halved || !multiplied) continue;
    const last = members.at(-1)!;
    for (const node of members) if (node !== last) r.dropped.add(node);
    r.replaced.set(last, [{ ...last, operator: "Gelu", inputs: [x], attributes: { approximate: "none" } }]);
  }
}

/** x W + b with a vector b over batches of rows: one Gemm, which takes W as it is stored. */
function fuseAffine(r: Rewriting): void {
  const writers = producers(r.graph);
  for (const product of r.graph.nodes) {
    if (!standard(product, "MatMul")) continue;
    const [x, w] = product.inputs as [string, string];
    const y = product.outputs[0]!;
    const add = r.only(y);
    const [shape, weights] = [r.types.get(x)?.shape, r.types.get(w)?.shape];
    if (!standard(add, "Add") || shape === undefined || shape.length < 2 || weights?.length !== 2) continue;
    const bias = add.inputs[0] === y ? add.inputs[1]! : add.inputs[0]!;
    const own = r.types.get(bias)?.shape;
    if (own?.length !== 1 || own[0] !== weights[1] || r.types.get(bias)!.type !== r.types.get(x)!.type) continue;
    const turned = writers.get(w);
    const perm = standard(turned, "Transpose") ? (numbersAttribute(turned, "perm") ?? [1, 0]) : [0, 1];
    const isTurned = perm[0] === 1;
    const rows = elementCount(shape.slice(0, -1));
    const out = [...shape.slice(0, -1), weights[1]!];
    const { type } = r.types.get(x)!;
    const reshaped = (from: string, to: string, target: Shape): Node => {
      const name = `${to}/shape`;
      r.constants.set(name, int64Vector(target));
      r.types.set(name, { type: "int64", shape: [target.length] });
      r.types.set(to, { type, shape: target });
      return { ...add, name: `${to}/reshape`, operator: "Reshape", inputs: [from, name], outputs: [to], attributes: {} };
    };
    const result = add.outputs[0]!;
    const isFlat = shape.length === 2;
    const [flat, matrix] = isFlat ? [x, result] : [`${result}/rows`, `${result}/matrix`];
    r.types.set(matrix, { type, shape: [rows, weights[1]!] });
    const gemm: Node = {
      ...product,
      operator: "Gemm",
      inputs: [flat, isTurned ? turned!.inputs[0]! : w, bias],
      outputs: [matrix],
      attributes: isTurned ? { transB: 1 } : {},
    };
    const nodes = isFlat ? [gemm] : [reshaped(x, flat, [rows, shape.at(-1)!]), gemm, reshaped(matrix, result, out)];
    r.dropped.add(product);
    if (isTurned && r.only(w) === product) r.dropped.add(turned!);
    r.replaced.set(add, nodes);
  }
}
