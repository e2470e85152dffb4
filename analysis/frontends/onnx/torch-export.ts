/**
 * @file What PyTorch's newer exporter (torch.export, `dynamo=True`) writes beside the graph: which tensors are parameters, which
 * are buffers, and what its optimiser folded them from. Folded masks and states are then no weights, and the transposed weight
 * of a linear layer is the layer's own weight again, under its name and shared with whoever else reads it.
 */
import type { Node } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { classify, type Role, type Uses } from "./classify";
import type { GraphProto, NodeProto } from "./generated/onnx_pb";
import type { RawGraph } from "./graph-reader";
import type { FileTensor } from "./tensors";

const SIGNATURE = "pkg.torch.export.ExportedProgram.graph_signature";
const KIND = "pkg.torch.export.graph_signature.InputSpec.kind";
const FOLDED = "pkg.onnxscript.optimizer.folded_from";
const FX_NODE = "pkg.torch.onnx.fx_node";

type Kind = "PARAMETER" | "BUFFER" | "CONSTANT_TENSOR";

/** What an export says of its tensors. */
export interface TorchExport {
  /** By the module's name for a tensor (`block.fc.weight`). */
  readonly kinds: ReadonlyMap<string, Kind>;
  /** The module's name for a tensor, by that of the exported program's input (`p_block_fc_weight`). */
  readonly targets: ReadonlyMap<string, string>;
  /** Initializers that were computed from others, and from which values. */
  readonly folded: ReadonlyMap<string, readonly string[]>;
}

const isKind = (text: string | undefined): text is Kind =>
  text === "PARAMETER" || text === "BUFFER" || text === "CONSTANT_TENSOR";

/** The record of an export by torch.export; undefined where the graph has none. */
export function readTorchExport(graph: GraphProto): TorchExport | undefined {
  const signature = graph.metadataProps.find((e) => e.key === SIGNATURE)?.value;
  if (signature === undefined) return undefined;
  const kinds = new Map<string, Kind>();
  const targets = new Map<string, string>();
  for (const [, input, kind, target] of signature.matchAll(/^(\S+): (\w+) target='([^']*)'/gm)) {
    if (!isKind(kind)) continue;
    kinds.set(target!, kind);
    targets.set(input!, target!);
  }
  const folded = new Map<string, readonly string[]>();
  for (const info of graph.valueInfo) {
    for (const { key, value } of info.metadataProps) {
      if (key === FOLDED) folded.set(info.name, quoted(value));
      else if (key === KIND && isKind(value)) kinds.set(info.name, value);
    }
  }
  return { kinds, targets, folded };
}

/** The strings of a Python list. */
function quoted(list: string): string[] {
  return [...list.matchAll(/'([^']*)'/g)].map((m) => m[1]!);
}

/** What an initializer is, by the export's record: what was made of weights is one, what was made of nothing else is known. */
export function exportedRole(tensor: FileTensor, record: TorchExport, uses: Uses): Role {
  // Integers, running statistics and settings are told by their uses. All names that modules do not have were made up.
  const kind = record.kinds.get(tensor.name);
  const byUse = classify(tensor, uses, false, kind !== undefined);
  if (byUse === "buffer") return byUse;
  if (kind === "PARAMETER" || kind === "CONSTANT_TENSOR")
    return byUse === "parameter" && kind !== "PARAMETER" ? "constant" : byUse;
  if (kind === "BUFFER") return byUse === "parameter" ? "frozen" : byUse;
  const sources = record.folded.get(tensor.name);
  if (sources === undefined || byUse === "frozen") return byUse;
  const from = new Set(sources.map((s) => record.kinds.get(s)));
  if (from.has("PARAMETER")) return "parameter";
  return from.has("BUFFER") ? "frozen" : "constant";
}

/** `%linear : call_function[target=torch.ops.aten.linear.default](args = (%x, %p_fc_weight, ..` */
const LINEAR = /aten\.linear\.default\]\(args = \(%[^\s,]+, %([^\s,)]+)/;

/** Gives the linear layers their weights back where the optimiser transposed them; the graph itself where it did not. */
export function untranspose(raw: RawGraph, record: TorchExport): RawGraph {
  const restored = new Map<string, { readonly target: string; readonly proto: NodeProto }>();
  for (const node of raw.nodes) {
    const weight = node.inputs[1] ?? "";
    const tensor = node.operator === "MatMul" && node.domain === "" ? raw.initializers.get(weight) : undefined;
    if (tensor?.shape.length !== 2 || record.kinds.has(weight) || restored.has(weight)) continue;
    const proto = raw.protos.get(node)!;
    const call = proto.metadataProps.find((e) => e.key === FX_NODE)?.value ?? "";
    const target = record.targets.get(LINEAR.exec(call)?.[1] ?? "");
    const sources = record.folded.get(weight);
    if (target === undefined || record.kinds.get(target) !== "PARAMETER") continue;
    if (sources === undefined || (sources.length === 1 && sources[0] === target)) restored.set(weight, { target, proto });
  }
  if (restored.size === 0) return raw;
  const initializers = new Map<string, FileTensor>();
  const nodes: Node[] = [];
  const protos = new Map(raw.protos);
  const defined = new Set(raw.nodes.flatMap((n) => n.outputs));
  for (const [name, tensor] of raw.initializers) {
    const { target, proto } = restored.get(name) ?? {};
    const own = target === undefined ? undefined : (raw.initializers.get(target) ?? initializers.get(target));
    const [columns = 0, rows = 0] = tensor.shape;
    const fits = own === undefined || (own.shape.length === 2 && own.shape[0] === rows && own.shape[1] === columns);
    if (target === undefined || proto === undefined || !fits || (own === undefined && defined.has(target))) {
      initializers.set(name, tensor);
      continue;
    }
    if (own === undefined) initializers.set(target, transposed(tensor, target));
    const node: Node = {
      name: `${name}/Transpose`,
      operator: "Transpose",
      domain: "",
      inputs: [target],
      outputs: [name],
      attributes: { perm: [1, 0] },
      origin: { node: proto.name },
    };
    nodes.push(node);
    protos.set(node, proto);
  }
  return { ...raw, initializers, protos, nodes: [...nodes, ...raw.nodes] };
}

/** What a call was given: `%p_fc_weight` for a parameter. */
const ARGUMENT = /%(\w+)/g;

/**
 * Gives parameters back that the optimiser found to be equal to another one and left out (all gains are one before training,
 * layers start as copies): each call tells which parameters it was given, and those that a model shares are given under one
 * name everywhere.
 */
export function separateEquals(raw: RawGraph, record: TorchExport): RawGraph {
  const isParameter = (name: string): boolean => record.kinds.get(name) === "PARAMETER";
  const given = new Map<Node, readonly string[]>();
  // What was folded into a weight is told of its reader too; a weight that stands for others has one reader that names it.
  const named = new Set<string>();
  for (const node of raw.nodes) {
    const call = raw.protos.get(node)?.metadataProps.find((e) => e.key === FX_NODE)?.value;
    if (call === undefined) continue;
    const names = [...call.matchAll(ARGUMENT)].flatMap(([, name]) => record.targets.get(name!) ?? []).filter(isParameter);
    given.set(node, names);
    for (const name of names) if (node.inputs.includes(name)) named.add(name);
  }
  const initializers = new Map(raw.initializers);
  const protos = new Map(raw.protos);
  const nodes = raw.nodes.map((node) => {
    const names = given.get(node) ?? [];
    const missing = names.filter((name) => !raw.initializers.has(name));
    const foreign = node.inputs.filter((name) => named.has(name) && raw.initializers.has(name) && !names.includes(name));
    if (missing.length === 0 || missing.length !== foreign.length) return node;
    const own = new Map(foreign.map((name, k) => [name, missing[k]!] as const));
    for (const [name, target] of own) initializers.set(target, { ...raw.initializers.get(name)!, name: target });
    const separate: Node = { ...node, inputs: node.inputs.map((name) => own.get(name) ?? name) };
    protos.set(separate, raw.protos.get(node)!);
    return separate;
  });
  return initializers.size === raw.initializers.size ? raw : { ...raw, initializers, protos, nodes };
}

/** A matrix the other way round, under another name; its values are read and turned when they are asked for. */
function transposed(tensor: FileTensor, name: string): FileTensor {
  const [columns = 0, rows = 0] = tensor.shape;
  const read = (): Tensor | undefined => {
    const from = tensor.read();
    if (from === undefined) return undefined;
    const data = new Float64Array(from.data.length);
    for (let j = 0; j < columns; j++) for (let i = 0; i < rows; i++) data[i * columns + j] = from.data[j * rows + i]!;
    return { type: from.type, shape: [rows, columns], data };
  };
  return { ...tensor, name, shape: [rows, columns], read };
}
