/** @file Whether entries may be equal: of equal ones a search takes the first, which makes their order matter. */
import type { Graph } from "../../graph/graph";
import { ABSENT, type Numbering } from "../../graph/numbering";
import { isFloating } from "../../graph/tensor";

/** Operators behind which no two entries are equal, unless they are computed from equal weights. */
const SPREADS: ReadonlySet<string> = new Set([
  "MatMul",
  "Gemm",
  "Conv",
  "ConvTranspose",
  "Einsum",
  "ReduceSum",
  "ReduceMean",
  "ReduceSumSquare",
]);

/** Operators that keep entries apart: strictly monotone ones, and sums and products of entries that are apart. */
const KEEPS: ReadonlySet<string> = new Set([
  "Identity",
  "Cast",
  "Reshape",
  "Transpose",
  "Slice",
  "Expand",
  "Add",
  "Sub",
  "Mul",
  "Div",
  "Neg",
  "Sqrt",
  "Reciprocal",
  "Exp",
  "Log",
  "Tanh",
  "Sigmoid",
  "Softplus",
  "Erf",
  "Atan",
  "Sinh",
  "Asinh",
  "Softsign",
  "LeakyRelu",
  "PRelu",
  "Elu",
  "Selu",
  "Celu",
  "Gelu",
  "Swish",
  "Mish",
  "Softmax",
  "LogSoftmax",
]);

/** Of those the ones whose further operands are places and sizes, not entries. */
const BY_PLACES: ReadonlySet<string> = new Set(["Reshape", "Slice", "Expand"]);

/** Writers that are looked at; behind more of them equal entries are thought possible. */
const MOST_WRITERS = 64;

/**
 * Whether entries of a value may be equal at weights in general: what a rectifier, a rounding or a mask makes of them. Floating
 * inputs and weights have none.
 */
export function mayTie(graph: Graph, numbering: Numbering, value: number): boolean {
  const pending = [value];
  const seen = new Set<number>();
  while (pending.length > 0) {
    const at = pending.pop()!;
    if (seen.has(at)) continue;
    seen.add(at);
    if (seen.size > MOST_WRITERS) return true;
    const writer = numbering.writer(at);
    if (writer === ABSENT) {
      if (levels(numbering, at)) return true;
      continue;
    }
    const node = graph.nodes[writer]!;
    if (SPREADS.has(node.operator)) continue;
    if (!KEEPS.has(node.operator)) return true;
    const inputs = numbering.inputs[writer]!;
    for (const i of BY_PLACES.has(node.operator) ? inputs.slice(0, 1) : inputs) if (i !== ABSENT) pending.push(i);
  }
  return false;
}

/** Whether a source may make entries equal that were not: zeros of a mask, infinities, and inputs that count or mark. */
function levels(numbering: Numbering, value: number): boolean {
  const type = numbering.types[value]?.type;
  if (type === undefined || !isFloating(type)) return true;
  return numbering.constants[value]?.data.some((x) => x === 0 || !Number.isFinite(x)) === true;
}
