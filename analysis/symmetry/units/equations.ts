/**
 * @file Every operator writes linear equations for the log-scales of its tensors; the null space of all of them is the group
 * of rescalings and scale invariances (ALGORITHM.md 3.2). The same system modulo 2 gives the sign symmetries.
 */
import type { Graph, Node } from "../../graph/graph";
import { ABSENT, type Numbering } from "../../graph/numbering";
import type { Equivariance } from "../../operators/equivariance";
import type { InferredAxes } from "../spaces/infer";
import { CellTable, type TensorCells } from "./cells";
import { INDEX_OPERANDS } from "./virtual-axes";
import { isEntrywise, jointCells, mentionsAllCells } from "./joint";
import type { JointCell } from "./labels";
import { type Field, type Relation, relationOf, ZERO } from "./relations";
import { type EquationSink, RelationWriter, zeroCell, zeroTensor } from "./writer";

/** The equations of one field and who takes them. */
export interface FieldEquations {
  readonly field: Field;
  readonly sink: EquationSink;
}

/** The tensors of a graph as cells, all of them numbered before the first equation is written. */
export class UnitGraph {
  readonly table: CellTable;
  readonly numbering: Numbering;
  readonly rules: readonly (Equivariance | undefined)[];
  /** Constants that are not all zero: those have no scale. */
  readonly fixed: readonly string[];
  /** The others: zero is zero at any scale. */
  readonly zeros: ReadonlySet<number>;

  constructor(
    readonly graph: Graph,
    axes: InferredAxes,
    equivariance: (node: Node) => Equivariance | undefined,
  ) {
    const table = new CellTable(axes);
    this.table = table;
    this.numbering = axes.numbering;
    this.rules = graph.nodes.map(equivariance);
    const fixed: string[] = [];
    const zeros = new Set<number>();
    for (const [name, value] of graph.constants) {
      if (value.data.some((v) => v !== 0)) fixed.push(name);
      else zeros.add(axes.numbering.of(name));
    }
    this.fixed = fixed;
    this.zeros = zeros;
    for (const input of graph.inputs) table.of(input.name);
    for (const value of axes.numbering.parameters) table.at(value);
    for (const name of this.fixed) table.of(name);
    const { numbering } = axes;
    graph.nodes.forEach((node, i) => {
      const [inputs, outputs] = [numbering.inputs[i]!, numbering.outputs[i]!];
      for (const v of inputs) table.at(v);
      if (inputs.length === 1 && isEntrywise(node) && keepsScale(this.rules[i])) table.share(outputs[0]!, inputs[0]!);
      for (const v of outputs) table.at(v);
    });
    for (const name of graph.outputs) table.of(name);
  }
}

/** Whether either a scale and a sign pass unchanged or the input can have none, so that input and output share them. */
function keepsScale(rule: Equivariance | undefined): boolean {
  return rule !== undefined && (rule.units.kind === "pass" || rule.units.kind === "zero") && rule.parity !== "even";
}

/**
 * Writes all equations of a graph, for one field or for both at once. Values that are read or written by operators without
 * a rule have no scale.
 */
export function writeEquations(
  { graph, table, numbering, rules, fixed, zeros }: UnitGraph,
  targets: readonly FieldEquations[],
): void {
  const sinks = targets.map((t) => t.sink);
  const zeroOf = (value: number) => {
    const tensor = table.at(value);
    if (tensor !== undefined) for (const sink of sinks) zeroTensor(tensor, sink);
  };
  const zero = (value: string) => zeroOf(numbering.of(value));
  for (const input of graph.inputs) zero(input.name);
  for (const output of graph.outputs) zero(output);
  for (const name of fixed) zero(name);
  let at = 0;
  for (const p of graph.parameters.values()) {
    const value = numbering.parameters[at++]!;
    if (!p.trainable) zeroOf(value);
    else forbidRepeatedAtoms(table.at(value), sinks);
  }
  const writer = new RelationWriter();
  const givesMore = givingMore(graph);
  const known = new Map<Equivariance, readonly Relation[]>();
  for (let i = 0; i < rules.length; i++) {
    const node = graph.nodes[i]!;
    const rule = rules[i];
    const [inputs, outputs] = [numbering.inputs[i]!, numbering.outputs[i]!];
    let relations = NO_RELATIONS;
    if (rule && !givesMore.has(node)) {
      relations = known.get(rule) ?? targets.map(({ field }) => attempt(() => relationOf(graph, node, rule, field)) ?? ZERO);
      if (!dependsOnNode(rule)) known.set(rule, relations);
    }
    const withZeros = zeros.size > 0 && relations.some(isOfEquals) && inputs.some((v) => zeros.has(v));
    const alike =
      relations.length > 0 && !withZeros && isEntrywise(node) ? tensorsOfOneForm(table, node, inputs, outputs[0]!) : undefined;
    if (alike) {
      for (let o = 1; o < outputs.length; o++) zeroOf(outputs[o]!);
      // Where input and output are the same unknowns, all that passes is said already.
      const isShared = inputs.length === 1 && alike[0] === alike[1];
      if (isShared && relations.every((r) => r.kind !== "zero")) continue;
      for (let k = 0; k < alike[0]!.cells.length; k++) {
        writer.readAlike(alike, k);
        for (let t = 0; t < sinks.length; t++) {
          if (!isShared || relations[t]!.kind === "zero") writer.relate(relations[t]!, sinks[t]!);
        }
      }
      continue;
    }
    // Where nothing passes anyway, it does not matter how the tensors line up.
    const joint = relations.some((r) => r !== ZERO) ? attempt(() => jointCells(graph, table, i)) : undefined;
    if (!joint) {
      for (const v of inputs) zeroOf(v);
      for (const v of outputs) zeroOf(v);
      continue;
    }
    for (let o = 1; o < outputs.length; o++) zeroOf(outputs[o]!);
    for (const all of joint) {
      const cells = withZeros ? all.map((c, o) => (o > 0 && zeros.has(inputs[o - 1]!) ? undefined : c)) : all;
      for (let t = 0; t < sinks.length; t++) {
        const { parts } = relations[t]!;
        if (parts === undefined && t === 0) writer.read(cells);
        if (parts === undefined) writer.relate(relations[t]!, sinks[t]!);
        else writer.relateParts(parts, cells, sinks[t]!);
      }
    }
    if (!mentionsAllCells(node)) unmatched(table, node, i, joint, sinks);
  }
}

/**
 * Output and inputs of an entry-wise node if they all have the same segments along the same axes, which makes their cells
 * correspond in order. Inputs that are no tensors of scales are undefined.
 */
function tensorsOfOneForm(
  table: CellTable,
  node: Node,
  inputs: readonly number[],
  output: number,
): (TensorCells | undefined)[] | undefined {
  const out = table.at(output);
  if (out === undefined) return undefined;
  const tensors = new Array<TensorCells | undefined>(inputs.length + 1).fill(undefined);
  tensors[0] = out;
  for (let k = 0; k < inputs.length; k++) {
    if (inputs[k] === ABSENT || (k > 0 && INDEX_OPERANDS.has(node.operator))) continue;
    const tensor = table.at(inputs[k]!);
    if (tensor?.cells !== out.cells) return undefined;
    tensors[k + 1] = tensor;
  }
  return inputs.length > 0 ? tensors : undefined;
}

const NO_RELATIONS: readonly Relation[] = [];

const NODE_BY_NODE: ReadonlySet<string> = new Set(["product", "power", "parts"]);

/** Whether nodes of one operator may differ in how their log-scales relate. */
function dependsOnNode(rule: Equivariance): boolean {
  return rule.holds !== undefined || NODE_BY_NODE.has(rule.units.kind);
}

/** Whether operands that are equal have the same scale, so that one that is all zero, however it broadcasts, asks for none. */
function isOfEquals({ kind }: Relation): boolean {
  return kind === "equal" || kind === "parts";
}

/** Nodes of which somebody reads a further output (positions, masks): the rules speak of the first one only. */
function givingMore({ nodes, outputs }: Graph): ReadonlySet<Node> {
  const several = nodes.filter((n) => n.outputs.length > 1);
  if (several.length === 0) return NO_NODES;
  const read = new Set(outputs);
  for (const n of nodes) for (const i of n.inputs) read.add(i);
  return new Set(several.filter((n) => n.outputs.some((o, k) => k > 0 && o !== "" && read.has(o))));
}

const NO_NODES: ReadonlySet<Node> = new Set();

/** What a step gives, or undefined where a node's attributes make no sense: no scale passes then. */
function attempt<T>(step: () => T | undefined): T | undefined {
  try {
    return step();
  } catch {
    return undefined;
  }
}

/** A dependence on two indices of one atom (both axes of a recurrent weight) has no order to go by: none is allowed. */
function forbidRepeatedAtoms(tensor: TensorCells | undefined, sinks: readonly EquationSink[]): void {
  for (const { slots, masks, offset } of tensor?.cells ?? []) {
    let repeated = 0;
    for (let i = 0; i < slots.length; i++) for (let j = 0; j < i; j++) if (slots[i]!.atom === slots[j]!.atom) repeated++;
    for (let k = 0; repeated > 0 && k < masks.length; k++) {
      const atoms = slots.flatMap((s, i) => (masks[k]! & (1 << i) ? [s.atom] : []));
      if (new Set(atoms).size < atoms.length) for (const sink of sinks) sink.zero(tensor!.first + offset + k);
    }
  }
}

/** Cells that no joint cell mentions have no scale. */
function unmatched(
  table: CellTable,
  node: Node,
  position: number,
  joint: readonly JointCell[],
  sinks: readonly EquationSink[],
): void {
  const inputs = table.numbering.inputs[position]!;
  const out = table.numbering.outputs[position]![0]!;
  // Nearly all tensors are one cell: a look at the joint cells is less than a set of theirs.
  const seen = joint.length > FEW_JOINT_CELLS ? new Set(joint.flatMap((cells) => cells.map((c) => c?.first))) : undefined;
  const isSeen = (first: number) => seen?.has(first) ?? joint.some((cells) => cells.some((c) => c?.first === first));
  for (let at = -1; at < inputs.length; at++) {
    const value = at < 0 ? out : inputs[at]!;
    if (value === ABSENT || !hasScale(node, at)) continue;
    const tensor = table.at(value);
    for (const cell of tensor?.cells ?? []) {
      const first = tensor!.first + cell.offset;
      if (!isSeen(first)) for (const sink of sinks) zeroCell(cell, first, sink);
    }
  }
}

const FEW_JOINT_CELLS = 4;

/** Integer operands (indices, shapes, axes) are no tensors of scales, and what a Slice or Gather leaves behind stays free. */
function hasScale(node: Node, at: number): boolean {
  if (at < 0) return true;
  return at === 0 ? node.operator !== "Slice" && node.operator !== "Gather" : !INDEX_OPERANDS.has(node.operator);
}
