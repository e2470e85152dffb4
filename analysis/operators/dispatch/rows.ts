/**
 * @file Operators that treat the rows of a tensor one by one: what they make of some rows is the same, whichever other rows
 * are there. Where the rows of the output are, for each operator; undefined wherever that is not certain.
 */
import { type Node, numberAttribute, stringAttribute } from "../../graph/graph";
import { elementCount, type Shape, type Tensor } from "../../graph/tensor";
import { listArgument } from "../rules";

/** What the rules may look at. */
export interface RowContext {
  readonly node: Node;
  readonly opset: number;
  /** The shape of an input; undefined where it is absent or unknown. */
  shape(input: number): Shape | undefined;
  outputShape(): Shape | undefined;
  /** The axis of an input along which its rows are; undefined where it has none. */
  rows(input: number): number | undefined;
  constant(input: number): Tensor | undefined;
  /** Whether an input without rows has the same entries all along an axis. */
  isUniform(input: number, axis: number): boolean;
}

type Rule = (context: RowContext) => number | undefined;

function positive(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** Counted from the right, the rows' axis of all inputs that have rows; inputs without are the same along it. */
function broadcastRows(c: RowContext): number | undefined {
  const out = c.outputShape();
  if (out === undefined) return undefined;
  let at: number | undefined;
  for (let i = 0; i < c.node.inputs.length; i++) {
    const rows = c.rows(i);
    if (rows === undefined) continue;
    const shape = c.shape(i);
    if (shape === undefined) return undefined;
    const own = rows + out.length - shape.length;
    if ((at !== undefined && at !== own) || shape[rows] !== out[own]) return undefined;
    at = own;
  }
  if (at === undefined) return undefined;
  for (let i = 0; i < c.node.inputs.length; i++) {
    if (c.rows(i) !== undefined || c.node.inputs[i] === "") continue;
    const shape = c.shape(i);
    if (shape === undefined) return undefined;
    const axis = at - (out.length - shape.length);
    if (axis >= 0 && shape[axis] !== 1 && !c.isUniform(i, axis)) return undefined;
  }
  return at;
}

/** The first input's rows, where nothing else has any. */
function onlyFirst(c: RowContext): number | undefined {
  for (let i = 1; i < c.node.inputs.length; i++) if (c.rows(i) !== undefined) return undefined;
  return c.rows(0);
}

/** The rows' axis stays a whole axis behind as many entries as before. */
function reshapedRows(c: RowContext): number | undefined {
  const rows = onlyFirst(c);
  const [from, to] = [c.shape(0), c.outputShape()];
  if (rows === undefined || from === undefined || to === undefined) return undefined;
  const before = elementCount(from.slice(0, rows));
  const fits = to.flatMap((size, k) => (size === from[rows] && elementCount(to.slice(0, k)) === before ? [k] : []));
  // Several only where there is a single row, of which all are all rows: whichever axis, nothing else is worked on with it.
  return fits.includes(rows) ? rows : fits[0];
}

/** All but the axes that an operator works along. */
function besides(axes: (c: RowContext, rank: number) => readonly number[] | undefined): Rule {
  return (c) => {
    const rows = onlyFirst(c);
    const rank = c.shape(0)?.length;
    if (rows === undefined || rank === undefined) return undefined;
    const along = axes(c, rank);
    return along === undefined || along.some((a) => positive(a, rank) === rows) ? undefined : rows;
  };
}

const alongAttribute = (fallback: number): Rule => besides((c) => [numberAttribute(c.node, "axis", fallback)]);

/** Softmax and its kin: along one axis, or up to operator set 12 along all from one on. */
const softmaxRows: Rule = (c) => {
  if (c.opset >= 13) return alongAttribute(-1)(c);
  const [rows, rank] = [onlyFirst(c), c.shape(0)?.length];
  if (rows === undefined || rank === undefined) return undefined;
  return rows < positive(numberAttribute(c.node, "axis", 1), rank) ? rows : undefined;
};

function reducedRows(c: RowContext): number | undefined {
  const [rows, rank] = [onlyFirst(c), c.shape(0)?.length];
  const given = listArgument(c.node, (i) => c.constant(i), "axes", 1);
  if (rows === undefined || rank === undefined || given === undefined) return undefined;
  const axes = given === "absent" ? [] : given.map((a) => positive(a, rank));
  if (axes.length === 0) return numberAttribute(c.node, "noop_with_empty_axes", 0) === 0 ? undefined : rows;
  if (axes.includes(rows)) return undefined;
  return numberAttribute(c.node, "keepdims", 1) === 0 ? rows - axes.filter((a) => a < rows).length : rows;
}

function matmulRows(c: RowContext): number | undefined {
  const [a, b, out] = [c.shape(0), c.shape(1), c.outputShape()];
  if (a === undefined || b === undefined || out === undefined || a.length < 2 || b.length < 2) return undefined;
  const [ra, rb] = [c.rows(0), c.rows(1)];
  const fromRight = (axis: number | undefined, shape: Shape) => (axis === undefined ? undefined : shape.length - axis);
  const [pa, pb] = [fromRight(ra, a), fromRight(rb, b)];
  // Counted from the right: 1 is the columns, 2 the rows of a matrix, what is further left are batches of matrices.
  if (pa === 1 || pb === 2) return undefined;
  const at = pa ?? pb;
  if (at === undefined || (pa !== undefined && pb !== undefined && (pa !== pb || pa <= 2))) return undefined;
  if (at > 2) {
    const other = pa === undefined ? a : pb === undefined ? b : undefined;
    if (other !== undefined && (other[other.length - at] ?? 1) !== 1) return undefined;
  }
  return out.length - at;
}

function gemmRows(c: RowContext): number | undefined {
  const rows = c.rows(0);
  if (rows === undefined || c.rows(1) !== undefined || c.rows(2) !== undefined) return undefined;
  const bias = c.shape(2);
  if (bias?.length === 2 && bias[0] !== 1) return undefined;
  return rows === (numberAttribute(c.node, "transA", 0) === 0 ? 0 : 1) ? 0 : undefined;
}

function einsumRows(c: RowContext): number | undefined {
  const [left, right] = stringAttribute(c.node, "equation", "").replaceAll(" ", "").split("->");
  if (left === undefined || right === undefined || left.includes(".")) return undefined;
  const terms = left.split(",");
  const letters = new Set(terms.flatMap((term, i) => (c.rows(i) === undefined ? [] : [term[c.rows(i)!]])));
  const [letter] = letters;
  if (letters.size !== 1 || letter === undefined || !right.includes(letter)) return undefined;
  const isWhole = terms.every((term, i) => term.split(letter).length - 1 === (c.rows(i) === undefined ? 0 : 1));
  return isWhole ? right.indexOf(letter) : undefined;
}

function sliceRows(c: RowContext): number | undefined {
  const rows = onlyFirst(c);
  const [from, to] = [c.shape(0), c.outputShape()];
  if (rows === undefined || from === undefined || to === undefined || from[rows] !== to[rows]) return undefined;
  const steps = c.node.inputs.length > 4 && c.node.inputs[4] !== "" ? c.constant(4) : undefined;
  // All of them in order: no other slice with steps forward has as many.
  if (c.node.inputs.length > 4 && c.node.inputs[4] !== "" && !steps?.data.every((s) => s > 0)) return undefined;
  return rows;
}

function gatherRows(c: RowContext): number | undefined {
  const [data, indices] = [c.shape(0), c.shape(1)];
  if (data === undefined || indices === undefined) return undefined;
  const axis = positive(numberAttribute(c.node, "axis", 0), data.length);
  const [own, read] = [c.rows(0), c.rows(1)];
  if (own !== undefined && read !== undefined) return undefined;
  // Rows that are not picked might point anywhere, unless it is known where.
  if (read !== undefined) return c.constant(1) === undefined ? undefined : axis + read;
  if (own === undefined || own === axis) return undefined;
  return own < axis ? own : own - 1 + indices.length;
}

function gatherNDRows(c: RowContext): number | undefined {
  const read = c.rows(1);
  const indices = c.shape(1);
  if (read === undefined || c.rows(0) !== undefined || indices === undefined || c.constant(1) === undefined) return undefined;
  return numberAttribute(c.node, "batch_dims", 0) === 0 && read < indices.length - 1 ? read : undefined;
}

function gatherElementsRows(c: RowContext): number | undefined {
  const [own, read, shape] = [c.rows(0), c.rows(1), c.shape(0)];
  if (own === undefined || own !== read || shape === undefined || c.shape(1)?.[own] !== shape[own]) return undefined;
  return positive(numberAttribute(c.node, "axis", 0), shape.length) === own ? undefined : own;
}

function concatRows(c: RowContext): number | undefined {
  const rank = c.outputShape()?.length;
  if (rank === undefined) return undefined;
  const axis = positive(numberAttribute(c.node, "axis", 0), rank);
  const at = broadcastRowsOfEqualRank(c);
  return at === axis ? undefined : at;
}

/** The one axis along which all inputs have rows, or are the same. */
function broadcastRowsOfEqualRank(c: RowContext): number | undefined {
  const axes = new Set(c.node.inputs.flatMap((_, i) => c.rows(i) ?? []));
  const [at] = axes;
  if (axes.size !== 1 || at === undefined) return undefined;
  return c.node.inputs.every((_, i) => c.rows(i) !== undefined || c.isUniform(i, at)) ? at : undefined;
}

const transposedRows: Rule = (c) => {
  const [rows, rank] = [c.rows(0), c.shape(0)?.length];
  if (rows === undefined || rank === undefined) return undefined;
  const given = c.node.attributes["perm"];
  const at = Array.isArray(given) ? (given as number[]).findIndex((a) => positive(a, rank) === rows) : rank - 1 - rows;
  return at < 0 ? undefined : at;
};

const expandedRows: Rule = (c) => {
  const [rows, from, to] = [onlyFirst(c), c.shape(0), c.outputShape()];
  return rows === undefined || from === undefined || to === undefined ? undefined : rows + to.length - from.length;
};

/** Operators on batches: the batch's axis is the first one. */
const batchRows: Rule = (c) => (onlyFirst(c) === 0 ? 0 : undefined);

/** Running statistics treat all alike; a batch's own do not. */
const batchNormRows: Rule = (c) =>
  numberAttribute(c.node, "training_mode", 0) === 0 && onlyFirst(c) !== 1 ? onlyFirst(c) : undefined;

const normalisedFrom: Rule = (c) => {
  const [rows, rank] = [onlyFirst(c), c.shape(0)?.length];
  if (rows === undefined || rank === undefined) return undefined;
  return rows < positive(numberAttribute(c.node, "axis", -1), rank) ? rows : undefined;
};

const oneHotRows: Rule = (c) => {
  const [rows, rank] = [onlyFirst(c), c.outputShape()?.length];
  if (rows === undefined || rank === undefined) return undefined;
  return rows < positive(numberAttribute(c.node, "axis", -1), rank) ? rows : rows + 1;
};

const cumulated: Rule = besides((c) => {
  const axis = c.constant(1);
  return axis === undefined ? undefined : [axis.data[0]!];
});

function each(names: string, rule: Rule): [string, Rule][] {
  return names.split(/\s+/).map((name) => [name, rule]);
}

const RULES: ReadonlyMap<string, Rule> = new Map([
  ...each(
    `Add Sub Mul Div Pow Mod Sum Mean Max Min Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor Not Where PRelu Identity Cast
    Neg Abs Sqrt Exp Log Reciprocal Erf Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh Atanh Floor Ceil Round Sign Relu
    Sigmoid HardSwish Mish Softplus Softsign LeakyRelu Elu Celu Selu Swish ThresholdedRelu HardSigmoid Gelu Shrink IsNaN IsInf`,
    broadcastRows,
  ),
  ...each("Clip Dropout CastLike", onlyFirst),
  ...each("Reshape Flatten Squeeze Unsqueeze", reshapedRows),
  ...each("Softmax LogSoftmax Hardmax", softmaxRows),
  ...each(
    `ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSum ReduceLogSumExp`,
    reducedRows,
  ),
  ...each("LayerNormalization RMSNormalization SimplifiedLayerNormalization", normalisedFrom),
  ...each(
    "Conv ConvTranspose InstanceNormalization GroupNormalization MaxPool AveragePool GlobalAveragePool GlobalMaxPool",
    batchRows,
  ),
  ["BatchNormalization", batchNormRows],
  ["MatMul", matmulRows],
  ["Gemm", gemmRows],
  ["Einsum", einsumRows],
  ["Transpose", transposedRows],
  ["Expand", expandedRows],
  ["Slice", sliceRows],
  ["Split", alongAttribute(0)],
  ["TopK", alongAttribute(-1)],
  ["CumSum", cumulated],
  ["Concat", concatRows],
  ["Gather", gatherRows],
  ["GatherND", gatherNDRows],
  ["GatherElements", gatherElementsRows],
  ["OneHot", oneHotRows],
]);

/**
 * The axis of the outputs along which the rows of the inputs are, where the operator treats them one by one. All rows of the
 * inputs belong together.
 */
export function rowAxis(context: RowContext): number | undefined {
  return context.node.domain === "" ? RULES.get(context.node.operator)?.(context) : undefined;
}
