/**
 * @file Which initializers are parameters. A file does not say; names and uses do: exporters keep the names of trained
 * tensors, give generated names to what they fold, and some input positions hold weights or settings by definition.
 */
import type { Node } from "../../graph/graph";
import { elementCount, isFloating, type Tensor } from "../../graph/tensor";
import { operatorsThat } from "../../operators/movers";
import type { FileTensor } from "./tensors";

/** What an initializer is in the Graph. */
export type Role = "parameter" | "frozen" | "buffer" | "constant";

/** A use of a value: the operator (with its domain in front, if any) and the position among its inputs; -1 for its writer. */
export interface Use {
  readonly operator: string;
  readonly index: number;
  readonly node: Node;
}

/** The uses of values, and the node that writes each. */
export interface Uses {
  of(value: string): readonly Use[];
  writer(value: string): Use | undefined;
}

const INDEXED = new WeakMap<readonly Node[], Uses>();

/** The index of uses of a list of nodes, made once for each list. */
export function indexUses(nodes: readonly Node[]): Uses {
  const known = INDEXED.get(nodes);
  if (known !== undefined) return known;
  const uses = new Map<string, Use[]>();
  const writers = new Map<string, Node>();
  for (const node of nodes) {
    const operator = nameOf(node);
    const { inputs, outputs } = node;
    for (let index = 0; index < inputs.length; index++) {
      const name = inputs[index]!;
      if (name === "") continue;
      const use = { operator, index, node };
      const list = uses.get(name);
      if (list) list.push(use);
      else uses.set(name, [use]);
    }
    for (let k = 0; k < outputs.length; k++) if (outputs[k] !== "") writers.set(outputs[k]!, node);
  }
  const made: Uses = {
    of: (value) => uses.get(value) ?? [],
    writer: (value) => {
      const node = writers.get(value);
      return node && { operator: nameOf(node), index: -1, node };
    },
  };
  INDEXED.set(nodes, made);
  return made;
}

/** The operator with its domain in front, if any. */
function nameOf({ domain, operator }: Node): string {
  return domain === "" ? operator : `${domain}.${operator}`;
}

/** Names that exporters and optimisers make up. */
const ANONYMOUS: readonly RegExp[] = [
  /^\d+$/, // PyTorch before 1.13, CNTK
  /^onnx::\w+_\d+$/, // PyTorch 1.13 to 2
  /#\d+\/(onnx::\w+_)?\d+$/, // the same inside of an inlined function
  /_output_\d+$/, // a folded Constant node of PyTorch
  /^(val|_val|initializer|(c_)?lifted_tensor|scalar_tensor(_default)?)(_\d+)?$/i, // torch.export, ONNX Script
  /(^|[/_.:])const(ant)?([_/:.\d]|$)/i, // TensorFlow, Keras, Paddle
  /\/[xy](:\d+)?$/, // the constant operand of a TensorFlow operator (`batchnorm/add/y:0`)
  /^(const_fold_opt|new_shape|const_starts|const_ends|const_axes|const_slice)__/, // tf2onnx
  /^(ortshared|graph_input_cast|insertedcast)_/i, // ONNX Runtime's own passes
];

/** Whether a name was made up by an exporter. */
export function isAnonymous(name: string): boolean {
  return ANONYMOUS.some((pattern) => pattern.test(name));
}

/** Input positions that hold settings rather than weights: sizes, bounds, thresholds, scales of quantisation. */
const SETTINGS: Readonly<Record<string, readonly number[]>> = {
  Clip: [1, 2],
  ConstantOfShape: [0],
  CumSum: [1],
  DequantizeLinear: [1, 2],
  Equal: [0, 1],
  Dropout: [1, 2],
  Expand: [1],
  Greater: [0, 1],
  GreaterOrEqual: [0, 1],
  HannWindow: [0],
  Less: [0, 1],
  LessOrEqual: [0, 1],
  Mod: [1],
  OneHot: [1, 2],
  Pad: [1, 2, 3],
  QLinearConv: [1, 2, 4, 5, 6, 7],
  QLinearMatMul: [1, 2, 4, 5, 6, 7],
  QuantizeLinear: [1, 2],
  Range: [0, 1, 2],
  Reshape: [1],
  Resize: [1, 2, 3],
  Shape: [0],
  Size: [0],
  Slice: [1, 2, 3, 4],
  Split: [1],
  Squeeze: [1],
  Tile: [1, 2],
  TopK: [1],
  Unsqueeze: [1],
  Upsample: [1],
};

/** Input positions that hold weights by definition. */
const WEIGHTS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [1, 2],
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  DeformConv: [1, 3],
  Einsum: [0, 1, 2, 3],
  GRU: [1, 2, 3],
  Gather: [0],
  Gemm: [0, 1, 2],
  GroupNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  LSTM: [1, 2, 3, 7],
  LayerNormalization: [1, 2],
  MatMul: [0, 1],
  PRelu: [1],
  RMSNormalization: [1],
  RNN: [1, 2, 3],
  SimplifiedLayerNormalization: [1],
  "com.microsoft.Attention": [1, 2],
  "com.microsoft.BiasGelu": [1],
  "com.microsoft.EmbedLayerNormalization": [2, 3, 4, 5, 6],
  "com.microsoft.FastGelu": [1],
  "com.microsoft.FusedConv": [1, 2],
  "com.microsoft.FusedGemm": [0, 1, 2],
  "com.microsoft.FusedMatMul": [0, 1],
  "com.microsoft.GroupNorm": [1, 2],
  "com.microsoft.MultiHeadAttention": [3],
  "com.microsoft.QAttention": [1, 2],
  "com.microsoft.SimplifiedLayerNormalization": [1],
  "com.microsoft.SkipLayerNormalization": [2, 3, 4],
  "com.microsoft.SkipSimplifiedLayerNormalization": [2, 3],
};

/** Operators that are looked through; not Gather, which says that its data is a table. */
const PASSING: ReadonlySet<string> = new Set([...operatorsThat("reshapes", "transposes", "splits"), "Cast", "Expand", "Slice"]);
/** Steps back through movement, and values looked at forward through it. */
const STEPS = 8;
const MAX_PASSED = 64;

/** The uses of a value where movement of its entries is looked through. */
function readers(value: string, uses: Uses): Use[] {
  const out: Use[] = [];
  const seen = new Set([value]);
  // A set grows while it is iterated: this visits the values found on the way, each once.
  for (const v of seen) {
    for (const use of uses.of(v)) {
      if (PASSING.has(use.operator) && use.index === 0 && seen.size < MAX_PASSED) {
        for (const o of use.node.outputs) if (o !== "") seen.add(o);
      } else out.push(use);
    }
  }
  return out;
}

/** The node that computed a value, looking through movement. */
function source(value: string, uses: Uses): Use | undefined {
  let node = uses.writer(value);
  for (let i = 0; i < STEPS && node && PASSING.has(node.operator); i++) node = uses.writer(node.node.inputs[0] ?? "");
  return node;
}

const CONTRACTIONS: ReadonlySet<string> = new Set([
  "MatMul",
  "Einsum",
  "Conv",
  "ConvTranspose",
  "Gemm",
  "com.microsoft.FusedMatMul",
]);
const NORMALISATIONS: ReadonlySet<string> = new Set([
  "BatchNormalization",
  "GroupNormalization",
  "InstanceNormalization",
  "LayerNormalization",
  "LpNormalization",
  "RMSNormalization",
]);

/** Whether a value is x / sqrt(..), x * 1 / sqrt(..) or a normalisation operator's output: a gain may follow it. */
function isNormalised(value: string, uses: Uses): boolean {
  const node = source(value, uses);
  if (!node) return false;
  if (NORMALISATIONS.has(node.operator)) return true;
  const isRoot = (name: string): boolean => {
    const root = source(name, uses);
    if (root === undefined) return false;
    if (root.operator === "Reciprocal") return isRoot(root.node.inputs[0] ?? "");
    if (root.operator === "Div") return isRoot(root.node.inputs[1] ?? "");
    return root.operator === "Sqrt" || root.operator === "Pow" || root.operator === "ReduceL2";
  };
  if (node.operator === "Div") return isRoot(node.node.inputs[1] ?? "");
  return node.operator === "Mul" && node.node.inputs.some(isRoot);
}

/** Whether an element-wise use of an unnamed tensor is that of a bias or gain that an exporter folded or reshaped. */
function isAffineUse(use: Use, uses: Uses): boolean {
  const other = use.node.inputs[1 - use.index] ?? "";
  if (use.operator === "Mul") return isNormalised(other, uses);
  if (use.operator !== "Add") return false;
  const before = source(other, uses);
  if (!before) return false;
  if (CONTRACTIONS.has(before.operator) || isNormalised(other, uses)) return true;
  return before.operator === "Mul" && before.node.inputs.some((i) => isNormalised(i, uses));
}

/**
 * Whether an initializer is a parameter, and of which kind.
 * @param alsoInput whether the file lists it among the graph's inputs too (files before IR version 4 list all
 *   parameters there, and no constants)
 * @param isNamed whether the name is the model's own rather than an exporter's
 */
export function classify(tensor: FileTensor, uses: Uses, alsoInput: boolean, isNamed = !isAnonymous(tensor.name)): Role {
  if (tensor.type === "other" || tensor.type === "string") return "frozen";
  if (!isFloating(tensor.type)) return "constant";
  const through = readers(tensor.name, uses);
  const statistic = (use: Use): boolean => use.operator === "BatchNormalization" && (use.index === 3 || use.index === 4);
  if (through.length > 0 && through.every(statistic)) return "buffer";
  if (through.length > 0 && through.every((use) => SETTINGS[use.operator]?.includes(use.index) === true)) return "constant";
  if (alsoInput || isNamed) return "parameter";
  if (tensor.count === 1) return "constant";
  if (through.some((use) => isWeightUse(use) || isAffineUse(use, uses))) return "parameter";
  return "constant";
}

function isWeightUse(use: Use): boolean {
  return WEIGHTS[use.operator]?.includes(use.index) === true;
}

/** Whether the value of a Constant node is a weight: floating, with a name of its own, in a weight's place. */
export function isWeight(name: string, value: Tensor, uses: Uses): boolean {
  if (!isFloating(value.type) || elementCount(value.shape) <= 1 || isAnonymous(name)) return false;
  return readers(name, uses).some(isWeightUse);
}

/** Whether a name is matched by one of the patterns: whole names, in which `*` stands for any characters. */
export function matchesAny(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    if (!pattern.includes("*")) return pattern === name;
    const parts = pattern.split("*");
    if (!name.startsWith(parts[0]!)) return false;
    let at = parts[0]!.length;
    for (const part of parts.slice(1, -1)) {
      const found = name.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    const last = parts.at(-1)!;
    return name.length - last.length >= at && name.endsWith(last);
  });
}
