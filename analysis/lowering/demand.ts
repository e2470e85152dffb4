/**
 * @file Only what is read is computed. A classifier that reads one token (x[:, 0] at the end of a vision transformer, the last
 * step of a sequence) needs one row of every layer behind the last attention; what the other rows would be restricts no
 * symmetry. Selections move up to where places meet.
 */
import type { Node } from "../graph/graph";
import { PICKING } from "./picks";
import { demandOf, hull, isWhole, type Part, wholeOf } from "./ranges";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

/** Computes only the parts of values that are read in the end; true if some value became smaller. Linear in the nodes. */
export function computeWhatIsRead(w: Workspace): boolean {
  const parts = findParts(w);
  if (parts.size === 0) return false;
  const isFixed = fixedValues(w);
  // What there is of each value that was made smaller, under a name of its own: it may be a value that was there before.
  const present = new Map<Value, Present>();
  w.rewrite((item) => {
    const value = item.outputs[0];
    const part = value && parts.get(value);
    if (!value || (!part && !item.inputs.some((i) => present.has(i)))) {
      w.add(item.node);
      return;
    }
    const output = part ?? wholeOf(value.type.shape!);
    const demand = demandOf(item, output, isFixed)!;
    const inputs = item.inputs.map((input, k) => {
      const needed = demand.inputs[k];
      if (needed === "none") return undefined;
      const there = present.get(input) ?? { name: input.name, part: wholeOf(input.type.shape ?? []) };
      return needed === undefined ? input.name : taken(w, item.node, there, needed);
    });
    const name = part ? w.fresh(value.name) : value.name;
    const made = narrowed(w, item, name, output, inputs, demand.inputs);
    if (made === undefined) w.replace(name, inputs[0]!);
    else w.add(made);
    if (part) present.set(value, { name: w.resolve(name), part });
  });
  return true;
}

/** What there is of a value. */
interface Present {
  readonly name: string;
  readonly part: Part;
}

/** The parts that are needed of the values of which not all is needed. */
function findParts(w: Workspace): Map<Value, Part> {
  const parts = new Map<Value, Part>();
  if (w.itemsOf(...PICKING).length === 0) return parts;
  const isFixed = fixedValues(w);
  const whole = new Set<Value>(w.outputs.map((o) => w.root(w.value(o))));
  const need = (value: Value, part: Part | undefined): void => {
    if (whole.has(value)) return;
    const { shape } = value.type;
    const known = parts.get(value);
    const all = part && (known ? hull(known, part) : part);
    if (!all || !shape || isWhole(all, shape)) {
      parts.delete(value);
      whole.add(value);
    } else parts.set(value, all);
  };
  for (let k = w.items.length - 1; k >= 0; k--) {
    const item = w.items[k]!;
    const value = item.outputs[0];
    const asked = value && parts.get(value);
    const shape = value?.type.shape;
    const isNarrow = asked !== undefined || isSelection(item);
    const demand = isNarrow && shape ? demandOf(item, asked ?? wholeOf(shape), isFixed) : undefined;
    if (value && asked) {
      parts.delete(value);
      if (demand && shape && !isWhole(demand.output, shape)) parts.set(value, demand.output);
      else whole.add(value);
    }
    item.inputs.forEach((input, i) => {
      if (input.name === "") return;
      const needed = demand?.inputs[i];
      if (needed !== "none") need(input, needed);
    });
  }
  // Weights and inputs are there whole; who needs less of them takes it.
  for (const value of [...parts.keys()]) if (!value.writer) parts.delete(value);
  return parts;
}

function isSelection({ node }: Item): boolean {
  return node.domain === "" && (node.operator === "Slice" || node.operator === "Gather");
}

/** Which values are made of weights and constants only. */
function fixedValues(w: Workspace): (value: Value) => boolean {
  const moving = new Set<Value>(w.inputs.map((i) => w.value(i.name)));
  for (const { inputs, outputs } of w.items) if (inputs.some((i) => moving.has(i))) for (const o of outputs) moving.add(o);
  return (value) => !moving.has(value);
}

/** The node that computes a part of an item's output; undefined where its first input is that part already. */
function narrowed(
  w: Workspace,
  { node, inputs }: Item,
  output: string,
  part: Part,
  given: readonly (string | undefined)[],
  needed: readonly (Part | "none" | undefined)[],
): Node | undefined {
  const made = { ...node, outputs: [output] };
  const sizes = () =>
    integers(
      w,
      part.map(([start, end]) => end - start),
    );
  switch (node.operator) {
    case "Reshape":
    case "Expand":
      return { ...made, inputs: [given[0]!, sizes()] };
    case "Slice":
      return undefined; // its input was cut where it was taken
    case "Gather": {
      const { axis } = node.attributes;
      const rank = inputs[0]!.type.shape!.length;
      const at = typeof axis === "number" ? (axis < 0 ? axis + rank : axis) : 0;
      const size = inputs[0]!.type.shape![at]!;
      const [start] = (needed[0] as Part)[at]!;
      const { type, shape, data } = inputs[1]!.constant!;
      const moved = w.addConstant({ type, shape, data: Float64Array.from(data, (x) => (x < 0 ? x + size : x) - start) });
      return { ...made, inputs: [given[0]!, moved] };
    }
    default:
      return { ...made, inputs: given.flatMap((i) => i ?? []) };
  }
}

/** A part of a value, cut out of what there is of it. */
function taken(w: Workspace, node: Node, there: Present, needed: Part): string {
  const axes = needed.flatMap(([start, end], k) => (start === there.part[k]![0] && end === there.part[k]![1] ? [] : [k]));
  if (axes.length === 0) return there.name;
  const starts = axes.map((k) => needed[k]![0] - there.part[k]![0]);
  const ends = axes.map((k) => needed[k]![1] - there.part[k]![0]);
  const output = w.fresh(`${there.name}/part`);
  const inputs = [there.name, ...[starts, ends, axes, axes.map(() => 1)].map((list) => integers(w, list))];
  w.add({ name: output, operator: "Slice", domain: "", inputs, outputs: [output], attributes: {}, origin: node.origin });
  return w.resolve(output);
}

function integers(w: Workspace, data: readonly number[]): string {
  return w.addConstant({ type: "int64", shape: [data.length], data: Float64Array.from(data) });
}
