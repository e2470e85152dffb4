/**
 * @file Every operator writes linear equations for the log-scales of its tensors; the null space of all of them is the group
 * of rescalings and scale invariances (ALGORITHM.md 3.2). The same system modulo 2 gives the sign symmetries.
 */
import type { Graph, Node } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import type { Equivariance } from "../../operators/equivariance";
import type { CellTable } from "./cells";
import { type JointCell, jointCells } from "./joint";

/** A sparse linear equation: sum of coefficient * unknown = 0. */
export type Equation = readonly (readonly [unknown: number, coefficient: number])[];

/** What the equations are for: scales over the reals, or signs modulo 2. */
export type Field = "scales" | "signs";

/** All equations of a graph. Values that are read or written by operators without a rule have no scale. */
export function collectEquations(
  graph: Graph,
  table: CellTable,
  field: Field,
  equivariance: (node: Node) => Equivariance | undefined,
): Equation[] {
  const out: Equation[] = [];
  const zero = (value: string) => {
    for (const cell of table.of(value)?.cells ?? []) for (const u of cell.unknowns.values()) out.push([[u, 1]]);
  };
  for (const input of graph.inputs) zero(input.name);
  for (const output of graph.outputs) zero(output);
  for (const [name, value] of graph.constants) if (value.data.some((v) => v !== 0)) zero(name);
  for (const p of graph.parameters.values()) {
    if (!p.trainable) zero(p.name);
    else for (const cell of table.of(p.name)?.cells ?? []) forbidRepeatedAtoms(cell, out);
  }
  for (const node of graph.nodes) {
    const rule = equivariance(node);
    const joint = rule ? jointCells(graph, table, node) : undefined;
    if (!rule || !joint) {
      for (const v of [...node.inputs, ...node.outputs]) if (v !== "") zero(v);
      continue;
    }
    for (const extra of node.outputs.slice(1)) if (extra !== "") zero(extra);
    const relation = relationOf(graph, node, rule, field);
    for (const cells of joint) relate(cells, relation, out);
    unmatched(table, node, joint, out);
  }
  return out;
}

/** A dependence on two indices of one atom (both axes of a recurrent weight) has no order to go by: none is allowed. */
function forbidRepeatedAtoms(cell: JointCellEntry, out: Equation[]): void {
  for (const [mask, unknown] of cell.unknowns) {
    const atoms = cell.slots.flatMap((s, i) => (mask & (1 << i) ? [s.atom] : []));
    if (new Set(atoms).size < atoms.length) out.push([[unknown, 1]]);
  }
}

type JointCellEntry = NonNullable<JointCell[number]>["cell"];

/** Cells that no joint cell mentions have no scale. */
function unmatched(table: CellTable, node: Node, joint: readonly JointCell[], out: Equation[]): void {
  const seen = new Set<JointCellEntry>();
  for (const cells of joint) for (const c of cells) if (c) seen.add(c.cell);
  for (const v of new Set([node.outputs[0]!, ...node.inputs])) {
    for (const cell of (v !== "" && table.of(v)?.cells) || []) {
      if (!seen.has(cell) && hasScale(node, v)) for (const u of cell.unknowns.values()) out.push([[u, 1]]);
    }
  }
}

/** Integer operands (indices, shapes, axes) are no tensors of scales, and what a Slice or Gather leaves behind stays free. */
function hasScale(node: Node, value: string): boolean {
  const at = node.inputs.indexOf(value);
  if (at < 0) return true;
  return at === 0 ? node.operator !== "Slice" && node.operator !== "Gather" : !INDEX_OPERANDS.has(node.operator);
}

const INDEX_OPERANDS: ReadonlySet<string> = new Set(["Reshape", "Slice", "Gather", "Expand", "Tile", "Pad", "CumSum", "Trilu", "Resize", "Upsample", "Cast"]);

/**
 * How labelled log-scales relate. For each set D of labels that some operand has: `terms` gives the factor of each input,
 * `contracts` whether labels that the output lacks cancel between the inputs.
 */
interface Relation {
  readonly kind: "sum" | "equal" | "contraction" | "reduction" | "forget" | "zero";
  /** Factor of the output and of each input; 0 leaves that operand free. */
  readonly factors: readonly number[];
  /** For "equal": which inputs take part, counted from 1 (operand numbers). */
  readonly operands?: readonly number[] | undefined;
}

function relationOf(graph: Graph, node: Node, rule: Equivariance, field: Field): Relation {
  if (field === "signs") {
    if (rule.parity === "none") return ZERO;
    if (rule.parity === "odd") return { kind: "sum", factors: [1, 1] };
    if (rule.parity === "even") return { kind: "forget", factors: [1, 0] };
  }
  const units = rule.units;
  switch (units.kind) {
    case "pass":
      return { kind: "sum", factors: [1, 1] };
    case "product": {
      const exponents = units.exponents(node);
      return exponents ? { kind: "sum", factors: [1, ...exponents] } : ZERO;
    }
    case "power": {
      const k = uniformValue(graph.constants.get(node.inputs[1] ?? ""));
      if (k === undefined) return ZERO;
      if (field === "scales") return { kind: "sum", factors: [1, k] };
      if (!Number.isInteger(k)) return ZERO;
      return k % 2 === 0 ? { kind: "forget", factors: [1, 0] } : { kind: "sum", factors: [1, 1] };
    }
    case "equal":
      return { kind: "equal", factors: [], operands: units.inputs?.map((i) => i + 1) };
    case "contraction":
      return { kind: "contraction", factors: [1, 1, 1] };
    case "reduction":
      return { kind: "reduction", factors: [1, units.factor] };
    case "slope":
      return { kind: "sum", factors: [1, 1, 0] };
    case "zero":
      return ZERO;
  }
}

const ZERO: Relation = { kind: "zero", factors: [] };

function uniformValue(t: Tensor | undefined): number | undefined {
  const first = t?.data[0];
  return first !== undefined && t!.data.every((v) => v === first) ? first : undefined;
}

/** Writes the equations of one joint cell. */
function relate(cells: JointCell, relation: Relation, out: Equation[]): void {
  // Unknown of each operand by set of labels; a set with an unlabelled slot carries no scale.
  const bySet = new Map<string, (number | undefined)[]>();
  const inOutput = new Set<string>();
  cells.forEach((operand, o) => {
    if (!operand) return;
    for (const [mask, unknown] of operand.cell.unknowns) {
      const labels: number[] = [];
      for (let i = 0; i < operand.labels.length; i++) if (mask & (1 << i)) labels.push(operand.labels[i]!);
      if (relation.kind === "zero" || labels.includes(-1)) {
        out.push([[unknown, 1]]);
        continue;
      }
      const key = labels.sort((a, b) => a - b).join();
      let row = bySet.get(key);
      if (!row) {
        row = new Array<number | undefined>(cells.length);
        bySet.set(key, row);
      }
      row[o] = unknown;
      if (o === 0) inOutput.add(key);
    }
  });
  if (relation.kind === "zero") return;
  const outputLabels = new Set(cells[0]?.labels.filter((l) => l >= 0));
  for (const [key, row] of bySet) {
    const contracted = key !== "" && key.split(",").some((l) => !outputLabels.has(Number(l)));
    const z = row[0];
    switch (relation.kind) {
      case "sum":
      case "contraction": {
        const terms: [number, number][] = [];
        if (z !== undefined) terms.push([z, 1]);
        for (let o = 1; o < row.length; o++) {
          const factor = relation.factors[o] ?? 0;
          const u = row[o];
          if (u === undefined) continue;
          if (factor === 0) out.push([[u, 1]]);
          else if (!contracted || relation.kind === "contraction") terms.push([u, contracted ? factor : -factor]);
          else out.push([[u, 1]]);
        }
        if (terms.length > 0) out.push(terms);
        break;
      }
      case "forget":
        if (z !== undefined) out.push([[z, 1]]);
        break;
      case "reduction":
        if (contracted) out.push([[row[1]!, 1]]);
        else if (row[1] !== undefined && z !== undefined) out.push([[z, 1], [row[1], -relation.factors[1]!]]);
        else for (const u of row) if (u !== undefined) out.push([[u, 1]]);
        break;
      case "equal":
        for (let o = 1; o < cells.length; o++) {
          const operand = cells[o];
          if (!operand) continue;
          const u = row[o];
          if (relation.operands && !relation.operands.includes(o)) {
            // Conditions and the like: a scale on them is no symmetry.
            if (u !== undefined) out.push([[u, 1]]);
          } else if (u !== undefined && z !== undefined) out.push([[z, 1], [u, -1]]);
          else if (u !== undefined) out.push([[u, 1]]);
          else if (z !== undefined) out.push([[z, 1]]);
        }
        break;
    }
  }
}
