/** @file Rewrites that leave the function of an exported model as it is. */
import { type Graph, type Node, numberAttribute } from "../../graph/graph";
import { elementCount, type Shape } from "../../graph/tensor";
import { inertParameters } from "../../rules/inert";
import { refuse } from "../source/draft";
import { GraphEdit, scaled } from "./edit";
import type { GraphRewrite } from "./rewrite";

/** Whether a batch norm uses its running statistics. */
function isFrozenNorm(node: Node | undefined): node is Node {
  return node?.operator === "BatchNormalization" && numberAttribute(node, "training_mode", 0) === 0 && node.outputs.length === 1;
}

/** Biases that nothing sees. */
export const dropBiases: GraphRewrite = {
  id: "drop-bias",
  description:
    "Removes biases that a normalisation or softmax attention cancels. A bias before a batch norm with running statistics moves into its " +
    "running mean.",
  outputs: "same",
  apply(model) {
    const edit = new GraphEdit(model.graph);
    const changes: string[] = [];
    const candidates = new Set(inertParameters(model).flatMap((p) => (p.segment ? [] : [p.parameter.name])));
    // Exported in evaluation mode, the mean that a norm subtracts is a weight of the file.
    for (const n of model.graph.nodes) if (n.operator === "Conv" && n.inputs[2]) candidates.add(n.inputs[2]);
    for (const bias of candidates) {
      const [reader, ...more] = edit.readers(bias);
      if (!reader || more.length > 0 || !edit.parameters.get(bias)?.trainable) continue;
      const without = withoutBias(edit, reader, bias);
      if (!without) continue;
      const norm = edit.soleReader(reader.outputs[0]!);
      if (isFrozenNorm(norm)) {
        const mean = norm.inputs[3]!;
        if (edit.readers(mean).length > 1 || !edit.hasValues(mean) || !edit.hasValues(bias)) continue;
        const shift = edit.values(bias);
        const data = edit.values(mean);
        if (data.length !== shift.length) continue;
        edit.set(
          mean,
          data.map((m, i) => m - shift[i]!),
        );
        without();
        changes.push(`${bias}: moved into ${mean}`);
      } else if (inertParameters(model).some((p) => p.parameter.name === bias && !p.segment)) {
        without();
        changes.push(`${bias}: removed, nothing sees it`);
      }
    }
    if (changes.length === 0) refuse("no bias is redundant");
    return { graph: edit.finish(), changes };
  },
};

/** How to take a bias out of the node that reads it; undefined where that is not understood. */
function withoutBias(edit: GraphEdit, reader: Node, bias: string): (() => void) | undefined {
  const at = reader.inputs.indexOf(bias);
  if ((reader.operator === "Conv" || reader.operator === "ConvTranspose" || reader.operator === "Gemm") && at === 2) {
    return () => edit.replace(reader, { ...reader, inputs: reader.inputs.slice(0, 2) });
  }
  if (reader.operator !== "Add" || reader.inputs.length !== 2) return undefined;
  const other = reader.inputs[1 - at]!;
  const [full, own] = [edit.shape(other), edit.shape(reader.outputs[0]!)];
  return full && own && full.join() === own.join() ? () => edit.remove(reader, other) : undefined;
}

/** Gains of norms into the weights beside them. */
export const foldNorms: GraphRewrite = {
  id: "fold-norms",
  description:
    "Multiplies gains of normalisations into weights: batch norms with running statistics into the convolution before them, gains of layer " +
    "and RMS norms into the linear maps that read them. The gains become one, or the norm disappears.",
  outputs: "same",
  apply(model) {
    const edit = new GraphEdit(model.graph);
    const changes = [...foldBatchNorms(edit), ...foldGains(edit)];
    if (changes.length === 0) refuse("no gain can be folded");
    return { graph: edit.finish(), changes };
  },
};

function foldBatchNorms(edit: GraphEdit): string[] {
  const changes: string[] = [];
  for (const node of [...edit.nodes]) {
    if (!isFrozenNorm(node)) continue;
    const conv = edit.writer(node.inputs[0]!);
    if (!conv || edit.soleReader(conv.outputs[0]!) !== node) continue;
    const weight = edit.parameters.get(conv.inputs[1] ?? "");
    const statistics = node.inputs.slice(1, 5);
    const isMine = [weight?.name, conv.inputs[2]].every((p) => !p || edit.readers(p).length === 1);
    if (conv.operator !== "Conv" || !weight || !isMine || [weight.name, ...statistics].some((p) => !edit.hasValues(p))) continue;
    const [gain, shift, mean, variance] = statistics.map((p) => edit.values(p)) as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const epsilon = numberAttribute(node, "epsilon", 1e-5);
    const factors = gain.map((g, i) => g / Math.sqrt(variance[i]! + epsilon));
    const given = conv.inputs[2];
    const old = given ? edit.values(given) : new Float64Array(factors.length);
    const bias = given ?? edit.fresh(weight.name.replace(/weight$/, "bias"));
    const data = factors.map((f, i) => (old[i]! - mean[i]!) * f + shift[i]!);
    edit.set(weight.name, scaled(edit.values(weight.name), weight.shape, 0, factors));
    if (given && edit.parameters.has(given)) edit.set(given, data);
    else edit.add(bias, weight, [factors.length], { data });
    if (!given) edit.replace(conv, { ...conv, inputs: [conv.inputs[0]!, weight.name, bias] });
    edit.remove(node, conv.outputs[0]!);
    changes.push(`${node.inputs[1]}: batch norm folded into ${weight.name}`);
  }
  return changes;
}

/** A matrix that multiplies the last axis of a value, with the axis of the matrix that it sums over. */
interface Reader {
  readonly weight: string;
  readonly axis: number;
}

function foldGains(edit: GraphEdit): string[] {
  const changes: string[] = [];
  for (const node of [...edit.nodes]) {
    const isNorm = node.operator === "LayerNormalization" && node.outputs.filter((o) => o !== "").length === 1;
    const isProduct = node.operator === "Mul" && node.inputs.length === 2;
    if (!isNorm && !isProduct) continue;
    const gain = isNorm ? node.inputs[1]! : node.inputs.find((i) => isVector(edit, i));
    const p = edit.parameters.get(gain ?? "");
    if (gain === undefined || !p?.trainable || p.shape.length !== 1 || !edit.hasValues(gain) || edit.readers(gain).length > 1)
      continue;
    // A shift behind it: part of the norm, or an addition.
    let value = node.outputs[0]!;
    let shift = isNorm ? node.inputs[2] : undefined;
    const add = isNorm ? undefined : edit.soleReader(value);
    if (add?.operator === "Add") {
      const other = add.inputs.find((i) => i !== value)!;
      if (isVector(edit, other)) {
        shift = other;
        value = add.outputs[0]!;
      }
    }
    const factors = edit.values(gain);
    const isShiftMine = !shift || (edit.hasValues(shift) && edit.parameters.has(shift) && edit.readers(shift).length === 1);
    const readers = linearReaders(edit, value, factors.length);
    if (!readers || !isShiftMine || factors.every((f) => f === 1)) continue;
    // A shift is divided by the gain, so that the folded weights multiply it back.
    if (shift && factors.some((f) => f === 0)) continue;
    for (const { weight, axis } of readers) {
      edit.set(weight, scaled(edit.values(weight), edit.parameters.get(weight)!.shape, axis, factors));
    }
    if (shift)
      edit.set(
        shift,
        edit.values(shift).map((b, i) => b / factors[i]!),
      );
    if (isNorm) edit.set(gain, new Float64Array(factors.length).fill(1));
    else edit.remove(node, node.inputs.find((i) => i !== gain)!);
    changes.push(`${gain}: folded into ${readers.map((r) => r.weight).join(", ")}`);
  }
  return changes;
}

function isVector(edit: GraphEdit, name: string): boolean {
  return edit.parameters.get(name)?.shape.length === 1;
}

/** All readers of a value, where each is a matrix of its own over the last axis; undefined where something else reads it. */
function linearReaders(edit: GraphEdit, value: string, size: number): Reader[] | undefined {
  if (edit.graph.outputs.includes(value) || edit.shape(value)?.at(-1) !== size) return undefined;
  const out: Reader[] = [];
  for (const n of edit.readers(value)) {
    const weight = n.inputs[1]!;
    const p = edit.parameters.get(weight);
    if (n.inputs[0] !== value || p?.shape.length !== 2 || !edit.hasValues(weight) || edit.readers(weight).length > 1)
      return undefined;
    if (n.operator === "MatMul") out.push({ weight, axis: 0 });
    else if (n.operator === "Gemm" && numberAttribute(n, "transA", 0) === 0)
      out.push({ weight, axis: numberAttribute(n, "transB", 0) === 1 ? 1 : 0 });
    else return undefined;
  }
  return out.length > 0 && out.every((r) => edit.parameters.get(r.weight)!.shape[r.axis] === size) ? out : undefined;
}

/** What the outputs do not depend on. */
export const removeUnread: GraphRewrite = {
  id: "remove-unread",
  description: "Removes nodes and parameters from which no output is computed.",
  outputs: "same",
  apply({ graph }) {
    const after = new GraphEdit(graph).finish();
    const gone = [...graph.parameters.keys()].filter((p) => !after.parameters.has(p));
    const nodes = graph.nodes.length - after.nodes.length;
    if (gone.length === 0 && nodes === 0) refuse("everything is read");
    return { graph: after, changes: [...gone.map((p) => `${p}: removed`), ...(nodes > 0 ? [`${nodes} nodes removed`] : [])] };
  },
};

/** One tensor under several nodes becomes one for each. */
export const separateShared: GraphRewrite = {
  id: "de-alias",
  description:
    "Gives each node that reads a shared weight a copy of its own: the outputs stay, and the copies train apart (branches that `[module] * n` " +
    "made one).",
  outputs: "start",
  apply({ graph }) {
    const edit = new GraphEdit(graph);
    const changes: string[] = [];
    for (const p of graph.parameters.values()) {
      const readers = edit.readers(p.name);
      if (!p.trainable || readers.length < 2) continue;
      readers.slice(1).forEach((reader, i) => {
        const name = edit.fresh(`${p.name}.copy${i + 1}`);
        edit.parameters.set(name, { ...p, name });
        edit.replace(reader, { ...reader, inputs: reader.inputs.map((x) => (x === p.name ? name : x)) });
      });
      changes.push(`${p.name}: ${readers.length} tensors instead of one`);
    }
    if (changes.length === 0) refuse("no weight is shared");
    return { graph: edit.finish(), changes };
  },
};

/** Number of trainable entries. */
export function trainableEntries(graph: Graph): number {
  return [...graph.parameters.values()].reduce((n, p) => n + (p.trainable ? elementCount(p.shape as Shape) : 0), 0);
}
