/**
 * @file Biases that nothing sees, gathered by the code that makes them: what the two rules on inert biases share. Detection
 * is by what the graph computes (symmetry/inert); names and layer classes are for messages only.
 */
import { say } from "../texts/say";
import { type Graph, type Node, producers } from "../graph/graph";
import type { RelatedPlace, SourceRange } from "../graph/source";
import { elementCount } from "../graph/tensor";
import { isJump } from "../lowering/comparisons";
import { normalForm } from "../lowering/normal-form";
import { type Forgetter, findInertParameters, type InertParameter } from "../symmetry/inert/inert";
import type { CheckedFile, CheckedModel, Layer } from "./checked";
import { placeKey } from "./layers";
import { code, isOwn, listed, shortPath } from "./words";
import type { Detection, Remedy } from "./rule";

const NORMS: ReadonlySet<string> = new Set([
  "BatchNormalization",
  "InstanceNormalization",
  "GroupNormalization",
  "GroupNorm",
  "LayerNormalization",
  "MeanVarianceNormalization",
]);

const found = new WeakMap<Graph, readonly InertParameter[]>();

/** The inert parameters and parts of parameters of a model, also in training with dropout. */
export function inertParameters(model: Pick<CheckedModel, "graph" | "normal">): readonly InertParameter[] {
  const { graph } = model;
  let list = found.get(graph);
  if (list === undefined) {
    list = findInertParameters(model.normal());
    if (list.length > 0 && graph.nodes.some(isNoise)) {
      // Noise between a bias and the mean that would cancel it makes the bias visible: x + b is masked, not x alone.
      const noisy = findInertParameters(normalForm(withOpaqueNoise(graph)).graph);
      const key = (p: InertParameter) => `${p.parameter.name} ${p.segment?.start ?? ""}`;
      const kept = new Set(noisy.map(key));
      list = list.filter((p) => kept.has(key(p)));
    }
    list = list.filter((p) => !hangsOnSize(p, graph)).flatMap((p) => unlessSearched(p, graph));
    found.set(graph, list);
  }
  return list;
}

/**
 * Whether a parameter is inert only because the size that stands for an unknown number of channels happens to be the number
 * of groups of a group norm: with more channels its groups would mix them.
 */
function hangsOnSize(p: InertParameter, graph: Graph): boolean {
  if (!graph.symbols?.has(elementCount(p.parameter.shape))) return false;
  const writers = producers(graph);
  return p.forgottenBy.some(({ node: { origin } }) =>
    graph.nodes.some((n) => {
      if (n.origin !== origin) return false;
      const regrouped = n.operator === "InstanceNormalization" && writers.get(n.inputs[0]!)?.operator === "Reshape";
      return regrouped || n.operator === "GroupNormalization";
    }),
  );
}

/**
 * What forgets a parameter, but for searches and comparisons: what scores have in common changes no choice, and no normalisation
 * is behind it. Nothing where that is all.
 */
function unlessSearched(p: InertParameter, graph: Graph): InertParameter[] {
  const jumps = new Set(graph.nodes.flatMap((n) => (isJump(n) ? [n.origin] : [])));
  if (jumps.size === 0) return [p];
  const forgottenBy = p.forgottenBy.filter((f) => !jumps.has(f.node.origin));
  return forgottenBy.length === 0 ? [] : [{ ...p, forgottenBy }];
}

function isNoise(node: Node): boolean {
  return node.operator === "Dropout" && node.domain === "";
}

function withOpaqueNoise(graph: Graph): Graph {
  return { ...graph, nodes: graph.nodes.map((n) => (isNoise(n) ? { ...n, domain: "noise" } : n)) };
}

/** What a message is made of. */
export interface Described {
  /** The bias, in words. */
  readonly subject: string;
  /** The layers that forget it, in words. */
  readonly by: string;
  /** Whether those are several. */
  readonly several: boolean;
  readonly count: number;
}

/** One inert bias in one model. */
interface InertBias {
  readonly model: CheckedModel;
  readonly inert: InertParameter;
  readonly layer: Layer | undefined;
}

/** Whether the bias disappears in softmax attention. */
export function isCancelledBySoftmax(p: InertParameter): boolean {
  return p.forgottenBy.every((f) => f.how === "softmax");
}

/** Whether the bias disappears in subtracted means, in some places perhaps in softmax attention as well. */
export function isSubtractedAgain(p: InertParameter): boolean {
  return p.forgottenBy.some((f) => f.how === "mean") && p.forgottenBy.every((f) => f.how !== "difference");
}

/** Detections of inert biases that a rule is about, one per constructor call in Python and one per parameter in ONNX. */
export function detectInertBiases(
  file: CheckedFile,
  isMine: (p: InertParameter) => boolean,
  describe: (bias: Described) => string,
): Detection[] {
  const biases: InertBias[] = [];
  for (const model of file.models) {
    const owner = new Map<string, Layer>();
    for (const layer of model.layers) for (const p of layer.parameters) owner.set(p, layer);
    for (const inert of inertParameters(model)) {
      // The shift of a norm cannot be left out alone, and a part of a fused projection neither.
      if (inert.segment !== undefined || !isMine(inert) || isNormShift(inert, model.graph)) continue;
      biases.push({ model, inert, layer: owner.get(inert.parameter.name) });
    }
  }
  if (file.language === "onnx") return biases.map((b) => inOnnx(file, b, describe));
  const byPlace = new Map<string, InertBias[]>();
  for (const b of biases) {
    const range = b.layer?.constructor ?? b.inert.parameter.origin.range;
    if (range === undefined || range.file !== file.file) continue;
    const key = `${range.start.line}:${range.start.column} ${b.layer ? "" : b.inert.parameter.name}`;
    const known = byPlace.get(key);
    if (known) known.push(b);
    else byPlace.set(key, [b]);
  }
  return [...byPlace.values()].map((group) => inPython(file, group, describe));
}

/** Whether a parameter is the shift of a normalisation operator. */
function isNormShift(inert: InertParameter, graph: Graph): boolean {
  return graph.nodes.some((n) => NORMS.has(n.operator) && n.inputs.includes(inert.parameter.name));
}

function inOnnx(file: CheckedFile, bias: InertBias, describe: Parameters<typeof detectInertBiases>[2]): Detection {
  const { parameter, forgottenBy } = bias.inert;
  const names = forgottenBy.map(({ node: n }) => n.origin.scope ?? n.origin.node ?? n.name);
  const count = elementCount(parameter.shape);
  const node = parameter.origin.node;
  return {
    message: describe({ subject: code(parameter.name), ...several(names), count }),
    ...(node === undefined ? {} : { node }),
    file: file.file,
    related: [],
    symmetry: `R^${count} on ${parameter.name}`,
  };
}

function inPython(file: CheckedFile, group: readonly InertBias[], describe: Parameters<typeof detectInertBiases>[2]): Detection {
  const first = group[0]!;
  const { parameter } = first.inert;
  const { layer } = first;
  const range = layer?.constructor ?? parameter.origin.range!;
  const isBias = layer !== undefined && isOwn(layer.scope, parameter.name, "bias");
  const subject = isBias ? say`bias of ${code(shortPath(layer.scope))}` : code(ownPath(parameter.name));
  const names = first.inert.forgottenBy.map((f) => nameOf(f, first.model));
  const message = describe({ subject, ...several(names), count: elementCount(parameter.shape) });
  const all = layer ? instances(file, layer) : [];
  const inertScopes = new Set(group.map((b) => `${b.model.name} ${b.layer?.scope ?? ""}`));
  const visible = all.filter((i) => !inertScopes.has(`${i.model.name} ${i.layer.scope}`));
  const lines = [message];
  if (visible.length > 0) {
    const some = [...new Set(visible.map((v) => v.layer.scope))];
    lines.push(say`It has an effect in ${listed(some.map(code))}, which the same call makes.`);
  }
  const most = largest(group);
  if (most.length > 1) {
    lines.push(say`Made ${most.length} times in ${code(most[0]!.model.name)}: ${listed(most.map((b) => code(b.layer!.scope)))}.`);
  }
  const remedy: Remedy | undefined =
    isBias && layer.bias
      ? {
          kind: "drop-bias",
          layers: all.map((i) => i.layer),
          ...(visible.length > 0 ? { refusal: say`other layers that the same call makes need their bias` } : {}),
        }
      : undefined;
  return {
    message: lines.join("\n"),
    ...(visible.length > 0 ? { severity: "hint" as const } : {}),
    range,
    file: file.file,
    related: places(group),
    symmetry: `R^${elementCount(parameter.shape)} on ${parameter.name}`,
    ...(remedy ? { remedy } : {}),
  };
}

/** The part of a parameter's name that a person knows it by; parts of one layer keep the layer's name. */
function ownPath(parameter: string): string {
  return parameter.includes("/") ? parameter.split("/").slice(-3).join("/") : shortPath(parameter);
}

/** The instances in the model that has most of them: a block is a model of its own and a part of others. */
function largest(group: readonly InertBias[]): InertBias[] {
  const byModel = new Map<CheckedModel, InertBias[]>();
  for (const b of group) {
    if (!b.layer) continue;
    const known = byModel.get(b.model);
    if (known) known.push(b);
    else byModel.set(b.model, [b]);
  }
  let most: InertBias[] = [];
  for (const list of byModel.values()) if (list.length > most.length) most = list;
  return most;
}

/** All layers of the file's models that one call makes. */
function instances(file: CheckedFile, layer: Layer): readonly Instance[] {
  let byCall = instancesByCall.get(file);
  if (!byCall) {
    byCall = new Map();
    for (const model of file.models) {
      for (const l of model.layers) {
        const key = placeKey(l.constructor);
        const known = byCall.get(key);
        if (known) known.push({ model, layer: l });
        else byCall.set(key, [{ model, layer: l }]);
      }
    }
    instancesByCall.set(file, byCall);
  }
  return byCall.get(placeKey(layer.constructor)) ?? [];
}

interface Instance {
  readonly model: CheckedModel;
  readonly layer: Layer;
}

const instancesByCall = new WeakMap<CheckedFile, Map<string, Instance[]>>();

/** Where the layer is applied, and where what forgets its bias is made or written. */
function places(group: readonly InertBias[]): RelatedPlace[] {
  const out: RelatedPlace[] = [];
  const add = (label: string, range: SourceRange | undefined) => {
    if (range === undefined || out.length >= 6) return;
    const known = out.some(
      (p) =>
        p.range.file === range.file && p.range.start.line === range.start.line && p.range.start.column === range.start.column,
    );
    if (!known) out.push({ label, range });
  };
  for (const { model, inert, layer } of group) {
    if (layer) add(say`${code(shortPath(layer.scope))} is applied here`, layer.uses[0]);
    for (const f of inert.forgottenBy) {
      const norm = model.layers.find((l) => l.scope !== "" && l.scope === f.node.origin.scope);
      const label = f.how === "softmax" ? say`the softmax that cancels it` : say`its mean is subtracted here`;
      if (norm && f.how === "mean") add(say`${code(shortPath(norm.scope))} is made here`, norm.constructor);
      else add(label, f.node.origin.range);
    }
  }
  return out;
}

/** What people call the thing that forgets: the norm layer, or the module whose code does it. */
function nameOf(f: Forgetter, model: CheckedModel): string {
  const scope = f.node.origin.scope;
  return scope === undefined || scope === "" ? model.name : shortPath(scope);
}

/** One or more names in words. */
function several(names: readonly string[]): { by: string; several: boolean } {
  const distinct = [...new Set(names)].map(code);
  const [first, second] = distinct;
  if (second === undefined) return { by: first ?? "", several: false };
  return {
    by: distinct.length === 2 ? say`${first!} and ${second!}` : say`${first!} and ${distinct.length - 1} more`,
    several: true,
  };
}
