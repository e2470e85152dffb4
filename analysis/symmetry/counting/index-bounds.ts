/**
 * @file Up to where whole numbers are drawn for a network's inputs: so far that every row of every table is read that can be.
 * A row that no sample reads would look free, and be told as a symmetry.
 */
import type { GraphInput, Node } from "../../graph/graph";
import { isFloating, type Tensor } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { type Interval, intervalOf, MOVEMENT } from "./intervals";
import type { Network } from "./network";
import { Program } from "./program";

const COMPARISONS: ReadonlySet<string> = new Set(["Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"]);

/** Flags are 0 or 1. Whole numbers that nothing looks up or compares are flags where a network has constants that flags switch. */
const FLAGS = 2;
const SWITCHED = 1e3;
/** Others are numbers, of which 0 and 1 alone would not tell squares from the numbers themselves. */
const NUMBERS = 5;
/** Numbers that inputs are compared with count up to here. */
const MOST_COMPARED = 1000;

/** What is drawn for whole numbers. */
export interface IndexBounds {
  /** One more than the largest number for an input. */
  of(input: string): number;
  /** A table of which some rows are never read, as far as random inputs show; they say nothing about those rows. */
  readonly unread: string | undefined;
}

const known = new WeakMap<Network, IndexBounds>();

/** The bounds for all inputs of a network. */
export function indexBounds(network: Network): IndexBounds {
  let bounds = known.get(network);
  if (!bounds) {
    bounds = findBounds(network);
    known.set(network, bounds);
  }
  return bounds;
}

function findBounds(network: Network): IndexBounds {
  const direct = new Map(network.inputs.map((i) => [i.name, directBound(network, i)]));
  const lookups = lookupsOf(network);
  const indirect = lookups.filter((l) => !isDirect(network, l));
  const whole = network.inputs.filter((i) => !isFloating(i.type) && i.type !== "bool");
  const computed = whole.filter((i) => indirect.some((l) => l.program.leaves.includes(i.name)));
  const usual = (input: string): number => direct.get(input)?.usual ?? FLAGS;
  const boundsWith = (most: number) => (input: string) =>
    computed.some((i) => i.name === input) ? Math.min(most, direct.get(input)?.most ?? most) : usual(input);
  if (indirect.length === 0) return { of: usual, unread: undefined };
  const rows = Math.max(...lookups.flatMap((l) => l.sizes));
  let best = {
    of: computed.length === 0 ? usual : boundsWith(FLAGS),
    left: Number.POSITIVE_INFINITY,
    unread: indirect[0]!.table,
  };
  const look = (of: (input: string) => number): boolean => {
    const seen = rowsSeen(network, lookups, of);
    if (seen === undefined) return false;
    if (seen.left < best.left) best = { of, left: seen.left, unread: seen.unread ?? best.unread };
    return true;
  };
  if (computed.length === 0) look(usual);
  else if (look(boundsWith(rows))) {
    // Numbers that are divided, masked or folded: more of them may reach further rows.
    for (const times of MORE) if (best.left > 0 && !look(boundsWith(times * rows))) break;
  } else {
    for (let most = Math.floor(rows / 2); most >= FLAGS && !look(boundsWith(most)); ) most = Math.floor(most / 2);
  }
  return { of: best.of, unread: best.left > 0 ? best.unread : undefined };
}

/** How many times the rows of the largest table are tried. */
const MORE = [2, 3, 4, 6, 8, 12, 16];

/** A node that looks rows up by numbers which hang on the inputs and on no weight that trains. */
interface Lookup {
  readonly table: string;
  readonly index: string;
  /** How many rows there are, for each coordinate. */
  readonly sizes: readonly number[];
  /** Whether numbers outside are an error. */
  readonly isStrict: boolean;
  /** Between which numbers they are in any case. */
  readonly within: Interval;
  /** Computes the numbers. */
  readonly program: Program;
}

function lookupsOf(network: Network): Lookup[] {
  const out: Lookup[] = [];
  for (const { node } of network.steps) {
    const found = lookupOf(network, node);
    if (!found?.isRead || !network.isActivation(found.index)) continue;
    const program = new Program(network, [found.index]);
    if (!program.leaves.every((leaf) => network.inputs.some((i) => i.name === leaf))) continue;
    out.push({ ...found, within: intervalOf(network, found.index), program });
  }
  return out;
}

/** Where numbers point to: rows that are read, or that are written. */
interface Place extends Pick<Lookup, "table" | "index" | "sizes" | "isStrict"> {
  readonly isRead: boolean;
}

/** Which numbers a node looks up, and where. */
function lookupOf(network: Network, node: Node): Place | undefined {
  const [first, second] = [node.inputs[0] ?? "", node.inputs[1] ?? ""];
  switch (node.operator) {
    case "Gather":
    case "GatherElements":
    case "ScatterElements": {
      const axis = typeof node.attributes.axis === "number" ? node.attributes.axis : 0;
      const shape = network.shape(first);
      const sizes = [shape[axis < 0 ? axis + shape.length : axis]!];
      return { table: first, index: second, sizes, isStrict: true, isRead: node.operator !== "ScatterElements" };
    }
    case "GatherND":
    case "ScatterND": {
      const from = typeof node.attributes.batch_dims === "number" ? node.attributes.batch_dims : 0;
      const coordinates = network.shape(second).at(-1) ?? 1;
      const sizes = network.shape(first).slice(from, from + coordinates);
      return { table: first, index: second, sizes, isStrict: true, isRead: node.operator === "GatherND" };
    }
    case "OneHot": {
      const depth = network.constant(second)?.data[0];
      if (depth === undefined) return undefined;
      return { table: node.outputs[0]!, index: first, sizes: [depth], isStrict: false, isRead: true };
    }
  }
  return undefined;
}

/** Whether the numbers are those of one input, at most moved: what that input may be says which rows are read. */
function isDirect(network: Network, { program, sizes }: Lookup): boolean {
  if (sizes.some((n) => n !== sizes[0]) || (sizes.length > 1 && program.leaves.length > 1)) return false;
  return program.leaves.length === 1 && program.targets.every((t) => isMoved(network, t));
}

function isMoved(network: Network, value: string): boolean {
  for (let at = value; ; ) {
    const node = network.producer(at)?.node;
    if (node === undefined) return true;
    const active = node.inputs.filter((i) => i !== "" && network.isActivation(i));
    if (active.length !== 1) return false;
    if (node.operator === "Add") {
      if (!node.inputs.every((i) => i === active[0] || network.constant(i) !== undefined)) return false;
    } else if (!MOVEMENT.has(node.operator) || node.inputs[0] !== active[0] || isRounded(network, node)) return false;
    at = active[0]!;
  }
}

/** Whether a Cast makes whole numbers of others. */
function isRounded(network: Network, { operator, inputs, outputs }: Node): boolean {
  return operator === "Cast" && network.isDifferentiable(inputs[0]!) && !network.isDifferentiable(outputs[0]!);
}

/** Batches that are drawn at most. */
const MOST_BATCHES = 500;
/** Numbers drawn for each row. */
const PER_ROW = 12;

/** How many rows random inputs do not read; undefined where they would read beyond a table. */
function rowsSeen(
  network: Network,
  lookups: readonly Lookup[],
  of: (input: string) => number,
): { readonly left: number; readonly unread: string | undefined } | undefined {
  const random = new Random(1);
  let left = 0;
  let unread: string | undefined;
  for (const { program, table, sizes, isStrict, index, within } of lookups) {
    const seen = sizes.map((n) => new Uint8Array(n));
    const entries = Math.max(1, network.shape(index).reduce((n, d) => n * d, 1) / sizes.length);
    const batches = Math.min(MOST_BATCHES, 2 + Math.ceil((PER_ROW * Math.max(...sizes)) / entries));
    for (let batch = 0; batch < batches; batch++) {
      const given = (leaf: string): Tensor => drawn(network, leaf, of(leaf), random, batch);
      const [numbers] = program.results(program.evaluate(given));
      const data = numbers!.data;
      for (let k = 0; k < data.length; k++) {
        const axis = k % sizes.length;
        const n = sizes[axis]!;
        const at = data[k]! < 0 ? data[k]! + n : data[k]!;
        if (at >= 0 && at < n) seen[axis]![at] = 1;
        else if (isStrict) return undefined;
      }
    }
    // Of what does not train any rows will do.
    if (network.kind(table) === "constant" || network.isFrozen(table)) continue;
    let missing = 0;
    for (const rows of seen) {
      // Negative numbers count from the end.
      for (let k = 0; k < rows.length; k++) if (rows[k] === 0 && (within[0] < 0 || (k >= within[0] && k <= within[1]))) missing++;
    }
    if (missing > 0) unread ??= table;
    left += missing;
  }
  return { left, unread };
}

/** A value for a leaf: the least and the largest numbers in the first two batches. */
function drawn(network: Network, leaf: string, bound: number, random: Random, batch: number): Tensor {
  const { type, shape } = network.inputs.find((i) => i.name === leaf)!;
  const count = shape.reduce((n, d) => n * d, 1);
  if (isFloating(type)) return { type, shape, data: random.normals(count, INPUT_DEVIATION) };
  const most = type === "bool" ? FLAGS : bound;
  const data = Float64Array.from({ length: count }, () => (batch < 2 ? batch * (most - 1) : random.integer(most)));
  return { type, shape, data };
}

/** Whether constants are so large that they close what they are added to: a mask times them must be of flags. */
function hasSwitches({ graph }: Network): boolean {
  for (const { type, data } of graph.constants.values())
    if (isFloating(type) && data.some((x) => Math.abs(x) >= SWITCHED)) return true;
  return false;
}

/** Standard deviation of random network inputs: wide, so that both sides of every kink are seen. */
export const INPUT_DEVIATION = 1.5;

/** For an input one more than the largest number that every table read by it allows, if any, and what is drawn up to. */
function directBound(network: Network, { name, type }: GraphInput): { readonly most: number; readonly usual: number } {
  if (type === "bool") return { most: FLAGS, usual: FLAGS };
  let bound = Number.POSITIVE_INFINITY;
  let compared = FLAGS;
  const stack: { value: string; offset: number }[] = [{ value: name, offset: 0 }];
  const seen = new Set<string>();
  while (stack.length > 0) {
    const { value, offset } = stack.pop()!;
    if (seen.has(value)) continue;
    seen.add(value);
    for (const node of network.consumers(value)) {
      const out = node.outputs[0];
      const lookup = lookupOf(network, node);
      if (lookup?.index === value) bound = Math.min(bound, ...lookup.sizes.map((n) => n - offset));
      else if (COMPARISONS.has(node.operator)) {
        const other = network.constant(node.inputs[node.inputs[0] === value ? 1 : 0]!);
        for (const x of other?.data ?? []) if (x < MOST_COMPARED) compared = Math.max(compared, Math.floor(x) + 2 - offset);
      } else if (out !== undefined && node.operator === "Add") {
        const other = network.constant(node.inputs[0] === value ? node.inputs[1]! : node.inputs[0]!);
        if (other) stack.push({ value: out, offset: offset + Math.max(...other.data) });
      } else if (out !== undefined && MOVEMENT.has(node.operator)) stack.push({ value: out, offset });
    }
  }
  const most = Math.max(1, bound);
  if (Number.isFinite(bound)) return { most, usual: most };
  return { most, usual: compared > FLAGS || hasSwitches(network) ? compared : NUMBERS };
}
