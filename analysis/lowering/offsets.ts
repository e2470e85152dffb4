/**
 * @file Constants that are added to parameters, or to sums with parameters, become part of these: `h * (1 + w)`, and a layer that
 * makes `1 + scale`. What acts on gains acts on `1 + w`, which is no linear function of `w`.
 */
import type { Parameter } from "../graph/graph";
import type { ParameterOffset, ParameterOffsets } from "../graph/offsets";
import { elementCount, isFloating, type Tensor } from "../graph/tensor";
import { operatorsThat } from "../operators/movers";
import { smallConstant } from "./constants";
import type { Item, Value } from "./values";
import type { Workspace } from "./workspace";

/** Operators that move entries and leave each as it is. */
const MOVES: ReadonlySet<string> = operatorsThat("reshapes", "transposes");

/** Entries [start, end) of the last axis of a parameter. */
interface Target {
  readonly parameter: Parameter;
  readonly range?: readonly [start: number, end: number];
}

/** Takes constants that are added into parameters; returns what was added to which. */
export function absorbOffsets(w: Workspace): ParameterOffsets {
  const offsets = new Map<string, ParameterOffset>();
  const sums = w.itemsOf("Add", "Sub").flatMap((item) => {
    const sum = constantSum(item);
    return sum ? [{ item, sum }] : [];
  });
  if (sums.length === 0) return offsets;
  w.countReaders();
  const readers = readersOfSums(w);
  const changes = new Map<Item, undefined>();
  for (const { item, sum } of sums) {
    const target = targetOf(w, sum.value, readers);
    if (!target) continue;
    const { parameter, range } = target;
    const known = offsets.get(parameter.name);
    const size = parameter.shape.at(-1) ?? 1;
    const values = known?.values ?? new Float64Array(elementCount(parameter.shape));
    for (let i = 0; i < values.length; i++) if (!range || (i % size >= range[0] && i % size < range[1])) values[i]! += sum.by;
    offsets.set(parameter.name, { given: known?.given ?? parameter, values });
    changes.set(item, undefined);
    w.replace(item.node.outputs[0]!, sum.value.name);
  }
  if (offsets.size === 0) return offsets;
  w.exchange(changes);
  w.changeParameters([...offsets.values()].map(withOffset));
  return offsets;
}

/** What a sum adds one number to: an Add, or a Sub of the number, that changes no shape. */
function constantSum({ node, inputs, outputs }: Item): { readonly value: Value; readonly by: number } | undefined {
  if (node.domain !== "" || (node.operator !== "Add" && node.operator !== "Sub") || inputs.length !== 2) return undefined;
  for (const at of node.operator === "Add" ? [1, 0] : [1]) {
    const [value, constant] = [inputs[1 - at]!, inputs[at]!];
    const numbers = constant.constant && isFloating(constant.constant.type) ? smallConstant(constant) : undefined;
    const by = numbers?.[0];
    if (by === undefined || by === 0 || !Number.isFinite(by) || value.constant || !numbers!.every((x) => x === by)) continue;
    if (value.type.shape?.join() !== outputs[0]!.type.shape?.join()) continue;
    return { value, by: node.operator === "Add" ? by : -by };
  }
  return undefined;
}

/** The items that read each sum that is read more than once. */
function readersOfSums(w: Workspace): ReadonlyMap<Value, readonly Item[]> {
  const out = new Map<Value, Item[]>();
  for (const item of w.items)
    for (const i of item.inputs)
      if (i.reads > 1 && i.writer?.node.operator === "Add") {
        const list = out.get(i);
        if (list) list.push(item);
        else out.set(i, [item]);
      }
  return out;
}

/** The parameter that takes what is added to a value, if nothing but the value sees the change. */
function targetOf(w: Workspace, value: Value, readers: ReadonlyMap<Value, readonly Item[]>): Target | undefined {
  for (let at = value; at.reads === 1; ) {
    const parameter = w.parameters.get(at.name);
    if (parameter) return parameter.trainable ? { parameter } : undefined;
    const { writer } = at;
    if (writer === undefined || writer.node.domain !== "") return undefined;
    if (writer.node.operator === "Add") return addend(w, writer);
    if (writer.node.operator === "Slice") return sliced(w, writer, readers);
    if (!MOVES.has(writer.node.operator)) return undefined;
    at = writer.inputs[0]!;
  }
  return undefined;
}

/** The parameter among the operands of a sum, itself or moved. */
function addend(w: Workspace, { inputs }: Item): Target | undefined {
  for (const operand of inputs) {
    let at = operand;
    while (at.reads === 1 && at.writer && at.writer.node.domain === "" && MOVES.has(at.writer.node.operator))
      at = at.writer.inputs[0]!;
    const parameter = at.reads === 1 ? w.parameters.get(at.name) : undefined;
    if (parameter?.trainable) return { parameter };
  }
  return undefined;
}

/** The entries of a bias behind a slice of the features that it is added to, where no other slice of them overlaps. */
function sliced(w: Workspace, item: Item, readers: ReadonlyMap<Value, readonly Item[]>): Target | undefined {
  const [sum] = item.inputs;
  const size = sum?.type.shape?.at(-1);
  const own = rangeOf(item);
  if (!own || !sum?.writer || sum.writer.node.operator !== "Add" || sum.writer.node.domain !== "") return undefined;
  const bias = sum.writer.inputs.find((i) => i.type.shape?.length === 1 && i.type.shape[0] === size && i.reads === 1);
  const parameter = bias && w.parameters.get(bias.name);
  const others = (readers.get(sum) ?? [item]).filter((r) => r !== item);
  const isApart = others.length + 1 === sum.reads && others.every((r) => areApart(rangeOf(r), own));
  return parameter?.trainable && isApart ? { parameter, range: own } : undefined;
}

function areApart(a: readonly [number, number] | undefined, b: readonly [number, number]): boolean {
  return a !== undefined && (a[1] <= b[0] || b[1] <= a[0]);
}

/** What a Slice takes of the last axis, where it cuts along that alone and takes all entries between. */
function rangeOf({ node, inputs, outputs }: Item): readonly [number, number] | undefined {
  const [from, to] = [inputs[0]?.type.shape, outputs[0]?.type.shape];
  if (node.operator !== "Slice" || node.domain !== "" || !from || !to) return undefined;
  const [starts, , axes, steps] = [1, 2, 3, 4].map((k) => smallConstant(inputs[k]));
  const last = from.length - 1;
  const at = axes?.findIndex((a) => (a < 0 ? a + from.length : a) === last) ?? -1;
  if (!starts || at < 0 || !steps?.every((s) => s === 1) || from.some((n, k) => k < last && n !== to[k])) return undefined;
  const start = starts[at]! < 0 ? starts[at]! + from[last]! : starts[at]!;
  return start >= 0 ? [start, start + to[last]!] : undefined;
}

/** A parameter with its offset, also where its values are read. */
function withOffset({ given, values }: ParameterOffset): Parameter {
  const { read } = given;
  if (!read) return given;
  const shifted = (): Tensor | undefined => {
    const own = read();
    return own && { ...own, data: Float64Array.from(own.data, (x, i) => x + values[i]!) };
  };
  return { ...given, read: shifted };
}
