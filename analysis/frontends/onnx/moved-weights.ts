/**
 * @file Weights that PyTorch's newer exporter stored moved about: its optimiser computes whatever has no input of the model in it,
 * so that a class token is stored once for each sample of a batch, a gain as an image, a matrix the other way round. Nothing was
 * computed there, so the file's tensor is the model's own parameter again, with the movement behind it.
 */
import type { Node } from "../../graph/graph";
import { elementCount, isFloating, int64Vector, type Shape, strides, type Tensor, tensor as tensorOf } from "../../graph/tensor";
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
  /** For each row of the file's tensor, which row of the parameter it is; absent where none were looked up. */
  readonly rows?: readonly number[];
  /** Where each of its entries is in the file's tensor. */
  readonly place: (entry: number) => number;
}

/** Calls that take gains, shifts and slopes as vectors and give them the axes of what they act on. */
const TAKES_VECTORS = /aten\.(group_norm|instance_norm|native_group_norm|prelu|_prelu_kernel)\b/;
/** Names of values are those of the operations that made them, numbered; parts of one operation and its settings are `val_7`. */
const MADE_UP = /^val_\d+$/;
const TURNS = /^(t|transpose|permute)(_\d+)?$/;
const EXPANDS = /^expand(_\d+)?$/;
const LOOKS_UP = /^embedding(_\d+)?$/;
const RESHAPES = /^(unsqueeze|view|reshape)(_\d+)?$/;

interface Moved {
  readonly parameter: string;
  /** Names of the operations that moved it, the last of which is the tensor's own; those within one operation are not told. */
  readonly steps: readonly string[];
}

/** The one parameter that a folded tensor is, moved about; undefined where anything else went into it. */
function movedParameter(name: string, record: TorchExport): Moved | undefined {
  // What else went into a look-up are indices: rows of a table are its own whatever picked them.
  const [table, ...more] = LOOKS_UP.test(name) ? parametersIn(name, record) : [];
  if (table !== undefined && more.length === 0) return { parameter: table, steps: [name] };
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

/** Rows of a table that were looked up: equal ones are one row, numbered in the order of `own` where the file holds the table. */
function lookedUp({ shape, data }: Tensor, own: Tensor | undefined): Movement | undefined {
  const width = shape.at(-1) ?? 0;
  if (shape.length < 2 || width === 0 || (own && (own.shape.length !== 2 || own.shape[1] !== width))) return undefined;
  const keyOf = (from: Float64Array, row: number): string => from.subarray(row * width, (row + 1) * width).join();
  const known = new Map<string, number>();
  for (let row = 0; own && row < own.shape[0]!; row++) known.set(keyOf(own.data, row), row);
  const firsts: number[] = [];
  const rows: number[] = [];
  for (let row = 0; row < data.length / width; row++) {
    const key = keyOf(data, row);
    if (!known.has(key)) {
      if (own) return undefined;
      known.set(key, known.size);
      firsts.push(row);
    }
    rows.push(known.get(key)!);
  }
  const place = (entry: number): number => firsts[Math.floor(entry / width)]! * width + (entry % width);
  return { shape: own?.shape ?? [firsts.length, width], isTurned: false, rows, place };
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
    const own = owners.get(parameter);
    let movement: Movement | undefined;
    if (LOOKS_UP.test(name)) {
      const known = mayRead(tensor) && (own === undefined || mayRead(own)) ? tensor.read() : undefined;
      movement = known && lookedUp(known, own?.read());
    } else movement = movementOf(tensor, steps, calls, repeated);
    if (movement === undefined) continue;
    const original = unmoved(tensor, parameter, movement);
    // Where the file holds the parameter as well, it has to be the same one.
    const isAnother = (other: FileTensor): boolean =>
      other.shape.join() !== original.shape.join() || !mayRead(other) || !isSame(other, original);
    if (own && !movement.rows && isAnother(own)) continue;
    restored.set(name, own ? undefined : original);
    if (!own) owners.set(parameter, original);
    let value = parameter;
    const add = (operator: string, settings: Tensor | undefined, isLast: boolean): void => {
      const output = isLast ? name : `${name}/${operator}`;
      const node: Node = {
        name: `${name}/${operator}`,
        operator,
        domain: "",
        inputs: settings === undefined ? [value] : [value, `${output}/${operator}/settings`],
        outputs: [output],
        attributes: operator === "Transpose" ? { perm: [1, 0] } : operator === "Gather" ? { axis: 0 } : {},
        origin: { node: proto.name },
      };
      if (settings !== undefined) constants.set(`${output}/${operator}/settings`, settings);
      nodes.push(node);
      protos.set(node, proto);
      value = output;
    };
    if (movement.isTurned) add("Transpose", undefined, true);
    if (movement.rows) add("Gather", tensorOf(tensor.shape.slice(0, -1), movement.rows, "int64"), true);
    if (movement.reshaped) add("Reshape", int64Vector(movement.reshaped), movement.expanded === undefined);
    if (movement.expanded) add("Expand", int64Vector(movement.expanded), true);
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
  const made = [...raw.initializers.values()].filter(
    (t) => !record.kinds.has(t.name) && isFloating(t.type) && parametersIn(t.name, record).length > 0,
  );
  const held = new Set([...raw.initializers.keys(), ...made.flatMap((t) => parametersIn(t.name, record))]);
  const gone = [...record.targets.values()].filter((name) => record.kinds.get(name) === "PARAMETER" && !held.has(name));
  const notes: string[] = [];
  if (gone.length > 0)
    notes.push(
      `the file has no ${listed(gone)}: not used, shared under another name, or folded away by the exporter's optimiser (export with optimize=False to keep what is used)`,
    );
  if (made.length > 0)
    notes.push(
      `parameters count as the exporter's optimiser stored them: ${listed(made.map((t) => t.name))} (export with optimize=False to keep the model's own)`,
    );
  return notes;
}

/** The parameters that went into a folded tensor. */
export function parametersIn(name: string, record: TorchExport): string[] {
  return (record.folded.get(name) ?? []).filter((s) => record.kinds.get(s) === "PARAMETER");
}
