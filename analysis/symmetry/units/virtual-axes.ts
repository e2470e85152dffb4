/** @file Virtual axes: which axes of an operator's tensors are one axis, operator by operator. */
import { typeOf } from "../../graph/numbering";
import { type Graph, type Node, numberAttribute, numbersAttribute, stringAttribute } from "../../graph/graph";
import { parseEinsum } from "../../operators/einsum";
import { upTo } from "./lists";

/** Operators whose inputs after the first are shapes, indices, axes and bounds: no tensors of scales. */
export const INDEX_OPERANDS: ReadonlySet<string> = new Set([
  "Reshape",
  "Slice",
  "Gather",
  "Expand",
  "Tile",
  "Pad",
  "CumSum",
  "Trilu",
  "Resize",
  "Upsample",
  "Cast",
]);

type VirtualAxes = readonly (readonly number[] | undefined)[];

/** By rank, and by ranks of the factors: layers are many, their ranks are few. */
const convolutions: (VirtualAxes | undefined)[] = [];
const batchNorms: (VirtualAxes | undefined)[] = [];
const products: (VirtualAxes | undefined)[] = [];

/** The contracted axis of a matrix product. */
const INNER = 1000;

/** The virtual axes of a matrix product, output first, of factors of `a` and `b` axes with a result of `n` axes. */
export function matMulAxes(a: number, b: number, n: number): VirtualAxes {
  const key = a < 32 && b < 32 ? 32 * a + b : -1;
  const known = products[key];
  if (known) return known;
  const row = a > 1 ? n - (b > 1 ? 2 : 1) : -1;
  const batch = (k: number, kept: number) => upTo(k - kept).map((i) => Math.max(a, b) - k + i);
  const left = [...batch(a, Math.min(a, 2)), ...(a > 1 ? [row] : []), INNER];
  const right = [...batch(b, Math.min(b, 2)), INNER, ...(b > 1 ? [n - 1] : [])];
  const made = [upTo(n), left, right];
  if (key >= 0) products[key] = made;
  return made;
}

/** The virtual axes of each operand (output first), by operator. */
export function virtualAxes(graph: Graph, node: Node): VirtualAxes | undefined {
  const rank = (v: string | undefined) => (v ? typeOf(graph, v)?.shape?.length : undefined);
  const shape = (v: string) => typeOf(graph, v)!.shape!;
  const out = node.outputs[0]!;
  const n = rank(out)!;
  const own = (k: number) => new Array<number>(k).fill(-1);
  switch (node.operator) {
    case "Einsum": {
      const { inputs, output } = parseEinsum(
        stringAttribute(node, "equation", ""),
        node.inputs.map((i) => rank(i)!),
      );
      const letters = new Map<string, number>();
      const number = (l: string) => {
        if (!letters.has(l)) letters.set(l, letters.size);
        return letters.get(l)!;
      };
      // Operands of a contraction are two; with more of them only their product's uniform scale is left to chance.
      if (inputs.length > 2) return undefined;
      return [output.map(number), ...inputs.map((l) => l.map(number))];
    }
    case "Conv":
      return (convolutions[n] ??= [[0, 1, ...own(n - 2)], [0, 2, ...own(n - 2)], [1, 2, ...own(n - 2)], [1]]);
    case "Gemm":
      return [[0, 1], [0, 2], numberAttribute(node, "transB", 0) === 0 ? [2, 1] : [1, 2], [1]];
    case "BatchNormalization":
      return (batchNorms[n] ??= [upTo(n), upTo(n), [1], [1], [1], [1]]);
    case "LayerNormalization": {
      const trailing = upTo(rank(node.inputs[1])!).map((k) => n - rank(node.inputs[1])! + k);
      return [upTo(n), upTo(n), trailing, trailing];
    }
    case "ConvTranspose":
      return [
        [0, 1, ...own(n - 2)],
        [0, 2, ...own(n - 2)],
        [2, 1, ...own(n - 2)],
      ];
    case "Transpose": {
      const perm = numbersAttribute(node, "perm") ?? upTo(n).map((i) => n - 1 - i);
      return [perm, upTo(n)];
    }
    case "Gather": {
      const from = rank(node.inputs[0])!;
      const axis = numberAttribute(node, "axis", 0);
      const at = axis < 0 ? axis + from : axis;
      const added = rank(node.inputs[1]) ?? 0;
      return [
        [...upTo(at), ...own(added), ...upTo(from - at - 1).map((i) => at + 1 + i)],
        upTo(from).map((i) => (i === at ? -1 : i)),
      ];
    }
    case "GatherElements":
    case "ScatterElements": {
      const axis = numberAttribute(node, "axis", 0);
      const at = axis < 0 ? axis + n : axis;
      // Entries along the axis that is looked up are anywhere; the others are in their places where all of them are covered.
      const [from, covered] = [shape(node.inputs[0]!), shape(node.inputs[1]!)];
      const along = upTo(n).map((k) => (k !== at && from[k] === covered[k] ? k : -1));
      return node.operator === "GatherElements" ? [along, along, undefined] : [along, along, undefined, along];
    }
    case "MaxPool":
    case "AveragePool":
    case "GlobalMaxPool":
    case "GlobalAveragePool":
    case "LpPool":
    case "Resize":
    case "Upsample":
      return [
        [0, 1, ...own(n - 2)],
        [0, 1, ...own(n - 2)],
      ];
  }
  if (node.operator.startsWith("Reduce")) {
    const from = rank(node.inputs[0])!;
    if (n === from) {
      const before = shape(node.inputs[0]!);
      return [upTo(n).map((i) => (before[i] !== 1 && shape(out)[i] === 1 ? -1 : i)), upTo(from)];
    }
    const dropped = new Set(reducedAxesOf(graph, node, from));
    return [upTo(from).filter((i) => !dropped.has(i)), upTo(from)];
  }
  // Element-wise with broadcasting, and everything that keeps its axes.
  const target = shape(out);
  return [
    upTo(n),
    ...node.inputs.map((v, k) => {
      if (k > 0 && INDEX_OPERANDS.has(node.operator)) return undefined;
      const s = v ? typeOf(graph, v)?.shape : undefined;
      return s?.map((size, i) => (size === target[i + n - s.length] && size > 1 ? i + n - s.length : -1));
    }),
  ];
}

function reducedAxesOf(graph: Graph, node: Node, rank: number): readonly number[] {
  const listed = numbersAttribute(node, "axes") ?? Array.from(graph.constants.get(node.inputs[1] ?? "")?.data ?? []);
  if (listed.length === 0) return Array.from({ length: rank }, (_, i) => i);
  return listed.map((a) => (a < 0 ? a + rank : a));
}
