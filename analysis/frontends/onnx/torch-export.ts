/**
 * @file What PyTorch's newer exporter (torch.export, `dynamo=True`) writes beside the graph: which tensors are parameters, which
 * are buffers, and what its optimiser folded them from. Folded masks and states are then no weights, and the transposed weight
 * of a linear layer is the layer's own weight again, under its name and shared with whoever else reads it.
 */
import type { Node } from "../../graph/graph";
import { isFloating, type Tensor } from "../../graph/tensor";
import { classify, type Role, type Uses } from "./classify";
import type { GraphProto, NodeProto } from "./generated/onnx_pb";
import type { RawGraph } from "./graph-reader";
import type { FileTensor } from "./tensors";

const SIGNATURE = "pkg.torch.export.ExportedProgram.graph_signature";
const KIND = "pkg.torch.export.graph_signature.InputSpec.kind";
const FOLDED = "pkg.onnxscript.optimizer.folded_from";
/** Key of a node's metadata: the call that it is a part of, as torch.fx writes it. */
export const FX_NODE = "pkg.torch.onnx.fx_node";

type Kind = "PARAMETER" | "BUFFER" | "CONSTANT_TENSOR";

/** What an export says of its tensors. */
export interface TorchExport {
  /** By the module's name for a tensor (`block.fc.weight`). */
  readonly kinds: Map<string, Kind>;
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

/** Entries that are read in all to tell what a tensor holds: opening a large file must not read its weights. */
const MOST_READ = 1_000_000;

/** What initializers are, by the export's record: what was made of weights is one, what was made of nothing else is known. */
export function exportedRoles(record: TorchExport, uses: Uses): (tensor: FileTensor) => Role {
  let left = MOST_READ;
  // Entries that are all equal are what a buffer starts with that training changes: any entries may take their place. Others were
  // computed when the model was made, as rotary tables, masks and coordinates are, and are what they are.
  const isComputed = (tensor: FileTensor): boolean => {
    left -= tensor.count;
    const data = left < 0 || !tensor.available ? undefined : tensor.read()?.data;
    return data !== undefined && data.some((x) => x !== data[0]);
  };
  const ofBuffer = (tensor: FileTensor): Role => (isComputed(tensor) ? "constant" : "frozen");
  return (tensor) => {
    // Integers, running statistics and settings are told by their uses. All names that modules do not have were made up.
    const kind = record.kinds.get(tensor.name);
    const byUse = classify(tensor, uses, false, kind !== undefined);
    if (byUse === "buffer") return byUse;
    if (kind === "PARAMETER" || kind === "CONSTANT_TENSOR")
      return byUse === "parameter" && kind !== "PARAMETER" ? "constant" : byUse;
    if (kind === "BUFFER") return byUse === "parameter" ? ofBuffer(tensor) : byUse;
    const sources = record.folded.get(tensor.name);
    // A mask that was compared with zero is as it is: drawn at random it may hide everything.
    if (sources === undefined || byUse === "frozen" || !isFloating(tensor.type)) return byUse;
    const from = new Set(sources.map((s) => record.kinds.get(s)));
    if (from.has("PARAMETER")) return "parameter";
    return from.has("BUFFER") ? ofBuffer(tensor) : "constant";
  };
}

/** `%linear : call_function[target=torch.ops.aten.linear.default](args = (%x, %p_fc_weight, ..` */
const LINEAR = /aten\.linear\.default\]\(args = \(%[^\s,]+, %([^\s,)]+)/;

/** The parameter of the linear layer that a product computes, by its call. */
function linearWeight(raw: RawGraph, node: Node, record: TorchExport): string | undefined {
  const call = raw.protos.get(node)?.metadataProps.find((e) => e.key === FX_NODE)?.value ?? "";
  const target = record.targets.get(LINEAR.exec(call)?.[1] ?? "");
  return target !== undefined && record.kinds.get(target) === "PARAMETER" ? target : undefined;
}

/** Gives each linear layer a transposed weight of its own where equal ones were stored once: layers that start as copies. */
function separateTransposed(raw: RawGraph, record: TorchExport): RawGraph {
  const owners = new Map<string, string>();
  const initializers = new Map(raw.initializers);
  const protos = new Map(raw.protos);
  const nodes = raw.nodes.map((node) => {
    const weight = node.inputs[1] ?? "";
    const tensor = node.operator === "MatMul" && node.domain === "" ? raw.initializers.get(weight) : undefined;
    const target = tensor && !record.kinds.has(weight) ? linearWeight(raw, node, record) : undefined;
    if (tensor === undefined || target === undefined) return node;
    const owner = owners.get(weight) ?? target;
    owners.set(weight, owner);
    if (owner === target || raw.initializers.has(target)) return node;
    const name = `${weight}/${target}`;
    initializers.set(name, { ...tensor, name });
    const separate: Node = { ...node, inputs: node.inputs.map((i) => (i === weight ? name : i)) };
    protos.set(separate, raw.protos.get(node)!);
    return separate;
  });
  return initializers.size === raw.initializers.size ? raw : { ...raw, initializers, protos, nodes };
}

/** Gives the linear layers their weights back where the optimiser transposed them; the graph itself where it did not. */
export function untranspose(stored: RawGraph, record: TorchExport): RawGraph {
  const raw = separateTransposed(stored, record);
  const restored = new Map<string, { readonly target: string; readonly proto: NodeProto }>();
  for (const node of raw.nodes) {
    const weight = node.inputs[1] ?? "";
    const tensor = node.operator === "MatMul" && node.domain === "" ? raw.initializers.get(weight) : undefined;
    if (tensor?.shape.length !== 2 || record.kinds.has(weight) || restored.has(weight)) continue;
    const proto = raw.protos.get(node)!;
    const target = linearWeight(raw, node, record);
    const sources = record.folded.get(weight);
    if (target === undefined) continue;
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

/**
 * Undoes the folding of a recurrent cell's first step, whose state is zero: a weight (or a fixed matrix, a buffer) times zero is
 * zero, with a bias it is that bias for each sample. Neither is a weight, and the bias is shared with the other steps. Notes
 * constants in the record.
 */
export function unfoldFirstSteps(raw: RawGraph, record: TorchExport): RawGraph {
  const kinds = new Map(record.kinds);
  const initializers = new Map(raw.initializers);
  const protos = new Map(raw.protos);
  const nodes: Node[] = [];
  let left = MOST_READ;
  const valuesOf = (tensor: FileTensor): Float64Array | undefined => {
    left -= tensor.count;
    return left < 0 || !tensor.available || !isFloating(tensor.type) ? undefined : Float64Array.from(tensor.read()?.data ?? []);
  };
  for (const tensor of raw.initializers.values()) {
    const sources = record.folded.get(tensor.name) ?? [];
    const ofKind = (kind: Kind): FileTensor[] =>
      sources.flatMap((s) => (record.kinds.get(s) === kind ? (raw.initializers.get(s) ?? []) : []));
    const [weights, buffers] = [ofKind("PARAMETER"), ofKind("BUFFER")];
    const width = tensor.shape.at(-1) ?? 0;
    // A weight that is only moved about has one source.
    if (sources.length < 2 || weights.length + buffers.length === 0 || tensor.shape.length < 2 || width === 0) continue;
    const values = valuesOf(tensor);
    if (values === undefined || values.length === 0) continue;
    if (values.some((x, i) => x !== values[i % width])) continue;
    const row = values.subarray(0, width);
    const made = weights.map((w) => [w, valuesOf(w)] as const);
    // A buffer whose entries are all equal may change in training: it may be what is zero.
    const isFixed = (buffer: FileTensor): boolean => {
      const own = valuesOf(buffer);
      return own !== undefined && own.some((x) => x !== own[0]);
    };
    const isZero =
      row.every((x) => x === 0) &&
      (weights.length > 0 ? made.some(([, own]) => own?.some((x) => x !== 0)) : buffers.every(isFixed));
    const [bias] =
      made.find(([w, own]) => w.shape.length === 1 && own?.length === width && own.every((x, i) => x === row[i])) ?? [];
    const reader = raw.nodes.find((n) => n.inputs.includes(tensor.name));
    if (isZero) kinds.set(tensor.name, "CONSTANT_TENSOR");
    else if (bias !== undefined && reader !== undefined && values.length > width) {
      const name = `${tensor.name}/zeros`;
      const zeros = { type: tensor.type, shape: tensor.shape, data: new Float64Array(tensor.count) };
      initializers.delete(tensor.name);
      initializers.set(name, { ...tensor, name, read: () => zeros });
      kinds.set(name, "CONSTANT_TENSOR");
      const node: Node = {
        name: `${tensor.name}/Add`,
        operator: "Add",
        domain: "",
        inputs: [bias.name, name],
        outputs: [tensor.name],
        attributes: {},
        origin: { node: reader.name },
      };
      nodes.push(node);
      protos.set(node, raw.protos.get(reader)!);
    }
  }
  for (const [name, kind] of kinds) record.kinds.set(name, kind);
  return nodes.length === 0 ? raw : { ...raw, initializers, protos, nodes: [...nodes, ...raw.nodes] };
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
