/**
 * @file A unit at random inputs, and the columns of its commutation equation there:
 *
 *     A_z F(x, w) = sum_i D_{x_i}F [A_i x_i] + sum_j D_{w_j}F [delta w_j]     for random x and the actual weights w
 *
 * Inputs are drawn afresh for every unit: real activations would let dead units and low dimensions invent fields.
 */
import { elementCount, type Tensor } from "../../graph/tensor";
import type { Matrix } from "../../numerics/matrix";
import type { Random } from "../../numerics/random";
import type { Node } from "../../graph/graph";
import { kinksOf } from "../counting/kinks";
import type { Network } from "../counting/network";
import type { SlotValues } from "../counting/program";
import { IndexDeck, randomInput } from "../counting/random-inputs";
import type { ParameterValues } from "../symmetry";
import type { Channels } from "./channels";
import type { Unit } from "./edges";
import { applyField, type Entry, type Unknowns } from "./unknowns";

/** Operators whose first input has to be positive, so that values and slopes stay tame. */
const POSITIVE: ReadonlySet<string> = new Set(["Sqrt", "Pow", "Reciprocal", "Log", "Acosh"]);
/** Operators that are defined between -1 and 1 only. */
const BOUNDED: ReadonlySet<string> = new Set(["Asin", "Acos", "Atanh"]);

/** How many times as many equations are taken where indices are read: each of them sees few entries of a table. */
const ROWS_OF_TABLES = 3;

/** Matrices per edge and directions per parameter: a candidate for a solution. */
export interface Candidate {
  readonly fields: ReadonlyMap<string, readonly Entry[]>;
  readonly parameters: ReadonlyMap<string, Float64Array>;
}

/** A unit evaluated at several random inputs, with the rows of its equation chosen. */
export class UnitSamples {
  readonly unit: Unit;
  private readonly unknowns: Unknowns;
  private readonly runs: { readonly values: SlotValues; readonly rows: Int32Array; readonly output: Float64Array }[] = [];
  /** Number of equations. */
  readonly rows: number;

  /** Draws inputs (zeros with `atZero`) until `wanted` equations are there. */
  constructor(
    network: Network,
    unknowns: Unknowns,
    unit: Unit,
    weights: ParameterValues,
    random: Random,
    wanted: number,
    atZero = false,
  ) {
    this.unit = unit;
    this.unknowns = unknowns;
    const size = elementCount(network.shape(unit.output));
    const decks = new Map<string, IndexDeck>();
    const drawn = (leaf: string): Tensor =>
      leafValue(network, unit, weights, random, leaf, atZero ? "zero" : restrictionOf(unknowns, leaf), decks);
    const readsTables = unit.program.leaves.some((leaf) => !network.isDifferentiable(leaf));
    const runs = atZero ? 1 : Math.max(2, Math.ceil(wanted / Math.max(1, size)));
    let rows = 0;
    for (let run = 0; run < runs; run++) {
      const values = unit.program.evaluate((leaf) => drawn(leaf));
      const output = unit.program.results(values)[0]!;
      const share = Math.ceil(wanted / runs) * (readsTables ? ROWS_OF_TABLES : 1);
      let chosen = size <= share ? Int32Array.from({ length: size }, (_, i) => i) : random.sample(size, share).slice().sort();
      // Masked scores are minus infinity by design; they carry no equation.
      if (chosen.some((i) => !Number.isFinite(output.data[i]!))) chosen = chosen.filter((i) => Number.isFinite(output.data[i]!));
      this.runs.push({ values, rows: chosen, output: finite(output.data) });
      rows += chosen.length;
    }
    this.rows = rows;
  }

  /** The equation's residual for a candidate: right side minus left side. */
  residual(candidate: Candidate): Float64Array {
    const out = new Float64Array(this.rows);
    let at = 0;
    for (const { values, rows, output } of this.runs) {
      const directions = new Map<string, Float64Array>();
      for (const value of this.unit.inputs) {
        const entries = candidate.fields.get(value);
        const edge = this.unknowns.edges.get(value);
        if (entries && edge && entries.length > 0) {
          directions.set(value, applyField(entries, edge.channels, this.unit.program.valueOf(value, values).data));
        }
      }
      for (const parameter of this.unit.parameters) {
        const direction = candidate.parameters.get(parameter);
        if (direction) directions.set(parameter, direction);
      }
      const right = directions.size > 0 ? this.unit.program.differentiateJointly(values, directions)[0] : undefined;
      if (right) for (let k = 0; k < rows.length; k++) out[at + k] = right.data[rows[k]!]!;
      const entries = candidate.fields.get(this.unit.output);
      const edge = this.unknowns.edges.get(this.unit.output);
      if (entries && edge && entries.length > 0) {
        const left = applyField(entries, edge.channels, output);
        for (let k = 0; k < rows.length; k++) out[at + k]! -= left[rows[k]!]!;
      }
      at += rows.length;
    }
    return out;
  }

  /** The column of one entry of a parameter. */
  parameterColumn(parameter: string, index: number): Float64Array {
    const out = new Float64Array(this.rows);
    let at = 0;
    for (const { values, rows } of this.runs) {
      const direction = new Float64Array(this.unit.program.valueOf(parameter, values).data.length);
      direction[index] = 1;
      const right = this.unit.program.differentiate(values, parameter, direction)[0];
      if (right) for (let k = 0; k < rows.length; k++) out[at + k] = right.data[rows[k]!]!;
      at += rows.length;
    }
    return out;
  }
}

function finite(data: Float64Array): Float64Array {
  return data.every(Number.isFinite) ? data : data.map((x) => (Number.isFinite(x) ? x : 0));
}

/** The directions in which a leaf's values lie. */
export interface Restriction {
  readonly channels: Channels;
  readonly support: Matrix;
}

function restrictionOf(unknowns: Unknowns, leaf: string): Restriction | undefined {
  const edge = unknowns.edges.get(leaf);
  return edge?.support && { channels: edge.channels, support: edge.support };
}

/** A random value for a leaf of a unit, inside what its operator is defined for; a parameter's own value. Indices come from `decks`. */
export function leafValue(
  network: Network,
  unit: Unit,
  weights: ParameterValues,
  random: Random,
  leaf: string,
  within: Restriction | "zero" | undefined,
  decks?: Map<string, IndexDeck>,
): Tensor {
  const parameter = network.graph.parameters.get(leaf);
  if (parameter) return { type: "float64", shape: parameter.shape, data: weights.get(leaf)! };
  if (!network.isDifferentiable(leaf)) {
    const input = network.inputs.find((i) => i.name === leaf);
    if (!input) throw new Error(`${leaf} has no floating value and is not an input`);
    let deck = decks?.get(leaf);
    if (decks && !deck) decks.set(leaf, (deck = new IndexDeck()));
    return randomInput(network, input, random, deck);
  }
  const shape = network.shape(leaf);
  const count = elementCount(shape);
  if (within === "zero") return { type: "float64", shape, data: new Float64Array(count) };
  const { node } = unit;
  const data = random.normals(count, widthOf(network, node));
  const positive =
    node !== undefined &&
    ((POSITIVE.has(node.operator) && node.inputs[0] === leaf) || (node.operator === "Div" && node.inputs[1] === leaf));
  if (positive) for (let i = 0; i < count; i++) data[i] = Math.abs(data[i]!) + 0.3;
  if (node && BOUNDED.has(node.operator)) for (let i = 0; i < count; i++) data[i] = 0.9 * Math.tanh(data[i]!);
  return { type: "float64", shape, data: within ? withinSupport(data, within.channels, within.support) : data };
}

/** Standard deviation of what an operator reads: where its kinks are far from zero, values fall on all sides of them. */
function widthOf(network: Network, node: Node | undefined): number {
  return (node && kinksOf(network, node))?.reduce((width, kink) => Math.max(width, Math.abs(kink)), 1) ?? 1;
}

/** The part of a tensor that lies in a support, position by position. */
function withinSupport(data: Float64Array, { entries }: Channels, support: Matrix): Float64Array {
  const out = Float64Array.from(data);
  const projection = support.transpose();
  for (let p = 0; p < entries[0]!.length; p++) {
    const inside = support.apply(projection.apply(Float64Array.from(entries, (list) => data[list[p]!]!)));
    entries.forEach((list, c) => {
      out[list[p]!] = inside[c]!;
    });
  }
  return out;
}
