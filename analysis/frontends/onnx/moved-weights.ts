/**
 * @file Weights that PyTorch's newer exporter stored moved about: its optimiser computes whatever has no input of the model in it,
 * so that a class token is stored once for each sample of a batch, a gain as an image, a matrix the other way round. Nothing was
 * computed there, so the file's tensor is the model's own parameter again, with the movement behind it.
 */
import type { Node } from "../../graph/graph";
import { elementCount, isFloating, int64Vector, type Shape, strides, type Tensor } from "../../graph/tensor";
import type { NodeProto } from "./generated/onnx_pb";
import type { RawGraph } from "./graph-reader";
import type { FileTensor } from "./tensors";
import { FX_NODE, type TorchExport } from "./torch-export";

/** Entries that are read in all to tell repeated ones: opening a large file must not read its weights. */
const MOST_READ = 1_000_000;

/** How a parameter became what the file holds: by turning it, or by giving it axes of one entry and repeating it along them. */
interface Movement {
  /** The parameter's shape. */
  readonly shape: Shape;
  /** Shapes that it is given one after the other; none where it is turned. */
  readonly reshaped?: Shape;
  readonly expanded?: Shape;
  readonly isTurned: boolean;
  /** Where each of its entries is in the file's tensor. */
  readonly place: (entry: number) => number;
}

/** Calls that take gains, shifts and slopes as vectors and give them the axes of what they act on. */
const TAKES_VECTORS = /aten\.(group_norm|instance_norm|native_group_norm|prelu|_prelu_kernel)\b/;
/** Names of values are those of the operations that made them, numbered; parts of one operation and its settings are `val_7`. */
const MADE_UP = /^val_\d+$/;
const TURNS = /^(t|transpose|permute)(_\d+)?$/;
const EXPANDS = /^expand(_\d+)?$/;
const RESHAPES = /^(unsqueeze|view|reshape)(_\d+)?$/;

interface Moved {
  readonly parameter: string;
  /** Names of the operations that moved it, the last of which is the tensor's own; those within one operation are not told. */
  readonly steps: readonly string[];
}

/** The one parameter that a folded tensor is, moved about; undefined where anything else went into it. */
function movedParameter(name: string, record: TorchExport): Moved | undefined {
  const sources = (record.folded.get(name) ?? []).filter((s) => !MADE_UP.test(s));
  const isMove = (s: string): boolean => TURNS.test(s) || EXPANDS.test(s) || RESHAPES.test(s);
  const [parameter, ...others] = sources.filter((s) => !isMove(s) || record.kinds.has(s));
  if (parameter === undefined || others.length > 0 || record.kinds.get(parameter) !== "PARAMETER") return undefined;
  return { parameter, steps: [...sources.filter((s) => s !== parameter), name] };
}

/** Along which axes all slices are equal; where all entries are, only the batch's axis is taken to be such a one. */
function repeatedAxes({ shape, data }: Tensor, batch: number | undefined): boolean[] {
  if (data.every((x) => x === data[0])) return shape.map((n, axis) => axis === 0 && n > 1 && n === batch);
  let inner = data.length;
  return shape.map((n) => {
    inner /= n;
    return n > 1 && data.every((x, i) => x === data[i - (Math.floor(i / inner) % n) * inner]);
  });
}

function turned([columns = 0, rows = 0]: Shape): Movement {
  const place = (entry: number): number => (entry % columns) * rows + Math.floor(entry / columns);
  return { shape: [rows, columns], isTurned: true, place };
}

/** Where the entries of a tensor are in one that repeats it along axes of one entry. */
function repeatedPlace(single: Shape, repeated: Shape): (entry: number) => number {
  const steps = strides(repeated);
  return (entry) => {
    let [rest, at] = [entry, 0];
    for (let axis = single.length - 1; axis >= 0; axis--) {
      at += (rest % single[axis]!) * steps[axis]!;
      rest = Math.floor(rest / single[axis]!);
    }
    return at;
  };
}

/** How a tensor was made of its one parameter, as far as names, readers and values tell. */
function movementOf(
  { name, shape }: FileTensor,
  steps: readonly string[],
  calls: readonly string[],
  values: () => readonly boolean[] | undefined,
): Movement | undefined {
  if (steps.some((s) => TURNS.test(s))) return shape.length === 2 && steps.length === 1 ? turned(shape) : undefined;
  const axes = steps.some((s) => EXPANDS.test(s)) ? values() : [];
  if (axes === undefined) return undefined;
  const single = shape.map((n, axis) => (axes[axis] ? 1 : n));
  const expanded = axes.includes(true) ? { expanded: shape } : {};
  const place = repeatedPlace(single, shape);
  const isVector = MADE_UP.test(name) && calls.length > 0 && calls.every((c) => TAKES_VECTORS.test(c));
  if (!isVector && !steps.some((s) => RESHAPES.test(s)))
    return axes.includes(true) ? { shape: single, ...expanded, isTurned: false, place } : undefined;
  // Axes of one entry were added; which of them the parameter had itself is clear where it is a vector, or only one is there.
  const own = single.filter((n) => n > 1);
  const isClear = own.length <= 1 || (single.length - own.length === 1 && steps.every((s) => s.startsWith("unsqueeze")));
  if (!isClear || single.length <= 1) return undefined;
  return { shape: own.length === 0 ? [1] : own, reshaped: single, ...expanded, isTurned: false, place };
}

/** The tensor as it was before it was moved, under its parameter's name; its values are read when they are asked for. */
function unmoved(tensor: FileTensor, name: string, { shape, place }: Movement): FileTensor {
  const count = elementCount(shape);
  const read = (): Tensor | undefined => {
    const from = tensor.read();
    return from && { type: from.type, shape, data: Float64Array.from({ length: count }, (_, i) => from.data[place(i)]!) };
  };
  return { ...tensor, name, shape, count, read };
}

/** Puts the model's parameters in the place of those that the optimiser moved about; the graph itself where there are none. */
export function restoreMoved(raw: RawGraph, record: TorchExport): RawGraph {
  const readers = new Map<string, NodeProto[]>();
  for (const t of raw.initializers.values())
    if (isFloating(t.type) && t.count > 0 && !record.kinds.has(t.name) && movedParameter(t.name, record)) readers.set(t.name, []);
  if (readers.size === 0) return raw;
  for (const node of raw.nodes) for (const i of node.inputs) readers.get(i)?.push(raw.protos.get(node)!);
  const defined = new Set(raw.nodes.flatMap((n) => n.outputs));
  const first = raw.inputs[0]?.sizes?.[0];
  const batch = typeof first === "number" ? first : undefined;
  const restored = new Map<string, FileTensor | undefined>();
  const owners = new Map(raw.initializers);
  const constants = new Map(raw.constants);
  const protos = new Map(raw.protos);
  const nodes: Node[] = [];
  let left = MOST_READ;
  const mayRead = (tensor: FileTensor): boolean => {
    left -= tensor.count;
    return left >= 0 && tensor.available;
  };
  for (const [name, [proto, ...others]] of readers) {
    const tensor = raw.initializers.get(name)!;
    const { parameter, steps } = movedParameter(name, record)!;
    if (proto === undefined || defined.has(parameter)) continue;
    const calls = [proto, ...others].map((p) => p.metadataProps.find((e) => e.key === FX_NODE)?.value ?? "");
    const repeated = (): boolean[] | undefined => {
      const known = mayRead(tensor) ? tensor.read() : undefined;
      return known && repeatedAxes(known, batch);
    };
    const movement = movementOf(tensor, steps, calls, repeated);
    if (movement === undefined) continue;
    const original = unmoved(tensor, parameter, movement);
    const own = owners.get(parameter);
    // Where the file holds the parameter as well, it has to be the same one.
    if (own && !(own.shape.join() === original.shape.join() && mayRead(own) && isSame(own, original))) continue;
    restored.set(name, own ? undefined : original);
    if (!own) owners.set(parameter, original);
    let value = parameter;
    const add = (operator: string, settings: Shape | undefined, isLast: boolean): void => {
      const output = isLast ? name : `${name}/${operator}`;
      const node: Node = {
        name: `${name}/${operator}`,
        operator,
        domain: "",
        inputs: settings === undefined ? [value] : [value, `${output}/shape`],
        outputs: [output],
        attributes: settings === undefined ? { perm: [1, 0] } : {},
        origin: { node: proto.name },
      };
      if (settings !== undefined) constants.set(`${output}/shape`, int64Vector(settings));
      nodes.push(node);
      protos.set(node, proto);
      value = output;
    };
    if (movement.isTurned) add("Transpose", undefined, true);
    if (movement.reshaped) add("Reshape", movement.reshaped, movement.expanded === undefined);
    if (movement.expanded) add("Expand", movement.expanded, true);
  }
  if (nodes.length === 0) return raw;
  // Each in its place: parameters are listed in the file's order.
  const tensors = [...raw.initializers.values()].flatMap((t) => (restored.has(t.name) ? (restored.get(t.name) ?? []) : [t]));
  const initializers = new Map(tensors.map((t) => [t.name, t] as const));
  return { ...raw, initializers, constants, protos, nodes: [...nodes, ...raw.nodes] };
}

function isSame(a: FileTensor, b: FileTensor): boolean {
  const [x, y] = [a.read()?.data, b.read()?.data];
  return x !== undefined && y !== undefined && x.every((v, i) => v === y[i]);
}

/** Names that are listed in full; of more, how many there are. */
const MOST_NAMED = 5;

function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMED;
  return more > 0 ? `${names.slice(0, MOST_NAMED).join(", ")} and ${more} more` : names.join(", ");
}

/** What the optimiser left of the model's parameters, in sentences: those that are gone, and those that only results hold. */
export function foldedAway(raw: RawGraph, record: TorchExport): string[] {
  const computed = [...raw.initializers.keys()].filter(
    (name) => !record.kinds.has(name) && isFloating(raw.initializers.get(name)!.type) && parametersIn(name, record).length > 0,
  );
  const held = new Set([...raw.initializers.keys(), ...computed.flatMap((name) => parametersIn(name, record))]);
  const gone = [...record.targets.values()].filter((name) => record.kinds.get(name) === "PARAMETER" && !held.has(name));
  const notes: string[] = [];
  if (gone.length > 0)
    notes.push(
      `the exporter's optimiser left no trace of ${listed(gone)}: the file is a network without them (export with optimize=False to keep them)`,
    );
  if (computed.length > 0)
    notes.push(
      `${listed(computed)} hold what the exporter's optimiser computed from parameters, and count as parameters themselves (export with optimize=False to keep the model's own)`,
    );
  return notes;
}

/** The parameters that went into a folded tensor. */
export function parametersIn(name: string, record: TorchExport): string[] {
  return (record.folded.get(name) ?? []).filter((s) => record.kinds.get(s) === "PARAMETER");
}
