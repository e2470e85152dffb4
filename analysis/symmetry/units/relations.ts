/** @file How the log-scales and signs of one operator's operands relate, read off the operator table. */
import type { Graph, Node } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import type { Equivariance, UnitPart } from "../../operators/equivariance";

/** What equations are for: scales over the reals, or signs modulo 2. */
export type Field = "scales" | "signs";

/**
 * How labelled log-scales relate, for each set D of labels that some operand has. A contraction lets labels that the output lacks
 * cancel between the inputs; within forbids those labels.
 */
export interface Relation {
  readonly kind: "sum" | "equal" | "contraction" | "reduction" | "forget" | "within" | "parts" | "zero";
  /** Factor of the output and of each input; 0 leaves that operand free. */
  readonly factors: readonly number[];
  /** For "equal": which inputs take part, counted from 1 (operand numbers). */
  readonly operands?: readonly number[] | undefined;
  /** For "parts": each with the operands that it is between. */
  readonly parts?: readonly { readonly relation: Relation; readonly operands: readonly number[] }[];
}

/** How log-scales (or signs) of a node's operands relate under a rule. Throws Error where the node's attributes make no sense. */
export function relationOf(graph: Graph, node: Node, rule: Equivariance, field: Field): Relation {
  if (rule.holds?.(node, (i) => graph.constants.get(node.inputs[i] ?? "")) === false) return ZERO;
  if (rule.units.kind === "parts") return partsOf(rule.units.parts(node), field);
  if (field === "signs") {
    if (rule.parity === "none") return ZERO;
    if (rule.parity === "odd") return PASS;
    if (rule.parity === "even") return FORGET;
  }
  const units = rule.units;
  switch (units.kind) {
    case "pass":
      return PASS;
    case "product": {
      const exponents = units.exponents(node);
      return exponents ? { kind: "sum", factors: [1, ...exponents] } : ZERO;
    }
    case "power": {
      const k = uniformValue(graph.constants.get(node.inputs[1] ?? ""));
      if (k === undefined) return ZERO;
      if (field === "scales") return { kind: "sum", factors: [1, k] };
      if (!Number.isInteger(k)) return ZERO;
      return k % 2 === 0 ? FORGET : PASS;
    }
    case "equal":
      return units.inputs ? { kind: "equal", factors: [], operands: units.inputs.map((i) => i + 1) } : EQUAL;
    case "contraction":
      return CONTRACTION;
    case "reduction":
      return { kind: "reduction", factors: [1, units.factor] };
    case "slope":
      return { kind: "sum", factors: [1, 1, 0] };
    case "zero":
      return ZERO;
  }
}

/** What each list of parts says, by field: they are few. */
const partRelations = { scales: new Map<readonly UnitPart[], Relation>(), signs: new Map<readonly UnitPart[], Relation>() };

function partsOf(parts: readonly UnitPart[], field: Field): Relation {
  const known = partRelations[field].get(parts);
  if (known !== undefined) return known;
  const relations = { contraction: CONTRACTION, equal: EQUAL, product: PRODUCT, within: WITHIN, zero: ZERO };
  const chosen = parts.filter((p) => (p.field ?? field) === field);
  const made: Relation = {
    kind: "parts",
    factors: [],
    parts: chosen.map(({ kind, operands }) => ({ relation: relations[kind], operands })),
  };
  partRelations[field].set(parts, made);
  return made;
}

/** Nothing passes. */
export const ZERO: Relation = { kind: "zero", factors: [] };
const PRODUCT: Relation = { kind: "sum", factors: [1, 1, 1] };
const WITHIN: Relation = { kind: "within", factors: [] };
const PASS: Relation = { kind: "sum", factors: [1, 1] };
const FORGET: Relation = { kind: "forget", factors: [1, 0] };
const EQUAL: Relation = { kind: "equal", factors: [] };
const CONTRACTION: Relation = { kind: "contraction", factors: [1, 1, 1] };

function uniformValue(t: Tensor | undefined): number | undefined {
  const first = t?.data[0];
  return first !== undefined && t!.data.every((v) => v === first) ? first : undefined;
}
