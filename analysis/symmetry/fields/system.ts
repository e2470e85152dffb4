/**
 * @file The system of matrix fields of a network: edges, units, unknowns and their solutions. Everything that moves a
 * region's channels to one another while the network computes the same is in its null space.
 */
import type { AxisStructure } from "../../graph/axes";
import { elementCount } from "../../graph/tensor";
import type { Matrix } from "../../numerics/matrix";
import { Random } from "../../numerics/random";
import type { Network } from "../counting/network";
import type { ParameterValues } from "../symmetry";
import { mixingAxes } from "./axes";
import { type Channels, channelsOf } from "./channels";
import { type Block, Constraints } from "./constraints";
import { isParameterContraction, type Unit, unitsBetween, visibleUnits } from "./edges";
import { type NullSpace, solveBlocks } from "./elimination";
import { absorbsEverything, CARRIERS, sampledBlocks, settleChannelwise } from "./equations";
import { glueRows, shiftRows } from "./glue";
import { findSupports } from "./supports";
import { type Edge, Unknowns } from "./unknowns";

/** A solved system. */
export interface FieldSystem {
  readonly network: Network;
  readonly weights: ParameterValues;
  readonly unknowns: Unknowns;
  readonly units: readonly Unit[];
  /** Trainable parameters that occur in this unit only and may move with it, by unit output. */
  readonly own: ReadonlyMap<string, readonly string[]>;
  /** Edges that an operator other than glue reads. */
  readonly sinks: ReadonlySet<string>;
  /** Edges whose frame is that of the parameters that write them. */
  readonly frames: ReadonlySet<string>;
  readonly solutions: readonly NullSpace[];
}

/** Which values have a frame, and the channels that it mixes. */
export interface Frames {
  readonly visible: ReadonlySet<string>;
  /** Of these, the ones that may not move, besides network inputs and outputs. */
  readonly fixed: ReadonlySet<string>;
  channels(value: string): Channels;
}

/** Sets up and solves all commutation equations of a network at the given weights; with the frames of its axes unless told. */
export function solveFields(
  network: Network,
  weights: ParameterValues,
  axes: AxisStructure,
  seed: number,
  frames?: Frames,
): FieldSystem {
  const random = new Random(seed);
  const units = frames ? unitsBetween(network, frames.visible) : visibleUnits(network);
  const channelsAt = frames ? frames.channels : mixedChannels(network, axes);
  return solveSystem(network, units, weights, channelsAt, random, undefined, frames?.fixed);
}

/** The channels of values by the axes along which matrices can act. */
function mixedChannels(network: Network, axes: AxisStructure): (value: string) => Channels {
  const mixing = mixingAxes(network.graph, axes);
  const known = new Map<string, Channels>();
  return (value) => {
    const found = known.get(value) ?? channelsOf(network.shape(value), mixing.layout(value));
    known.set(value, found);
    return found;
  };
}

/**
 * The system where fields are seen only in the directions in which values lie (behind a norm, none along 1) and gains move with
 * them: it has more solutions, of which most change nothing or scale units. Undefined where all values fill all directions, and
 * where that makes no difference.
 */
export function solveWideFields(
  network: Network,
  weights: ParameterValues,
  axes: AxisStructure,
  seed: number,
): FieldSystem | undefined {
  const random = new Random(seed);
  const units = visibleUnits(network);
  const channelsAt = mixedChannels(network, axes);
  const supports = findSupports(network, units, channelsAt, weights, random);
  return supports.size === 0 ? undefined : solveSystem(network, units, weights, channelsAt, random, supports);
}

function solveSystem(
  network: Network,
  units: readonly Unit[],
  weights: ParameterValues,
  channelsAt: (value: string) => Channels,
  random: Random,
  supports: ReadonlyMap<string, Matrix> | undefined,
  held: ReadonlySet<string> = new Set(),
): FieldSystem {
  const { own, shared } = ownership(network, units, supports !== undefined);
  // What is made of inputs alone does not move: fields on it could only end where it never goes (a batch, repeated per head).
  const still = units.flatMap((u) => (network.isStill(u.output) ? [u.output] : []));
  const fixed = new Set([...network.inputs.map((i) => i.name), ...network.outputs, ...still, ...held]);
  const values = [...network.inputs.map((i) => i.name), ...units.map((u) => u.output)].filter((v) => network.isDifferentiable(v));
  const unknowns = new Unknowns(
    [...new Set(values)].map((value) => ({
      value,
      channels: channelsAt(value),
      fixed: fixed.has(value),
      support: supports?.get(value),
    })),
    shared.map((parameter) => ({ parameter, size: weights.get(parameter)!.length })),
  );
  const constraints = new Constraints(unknowns.sets);
  for (const unit of units) settleChannelwise(network, unknowns, unit, weights, random);
  for (const unit of units) if (unit.node?.operator === "Softmax") softmaxGauge(network, unknowns, unit, constraints);
  for (const unit of units) {
    if (unit.node) continue;
    for (const row of glueRows(network, unknowns, unit, weights, random)) constraints.addRow(row);
  }
  constraints.learnFromRows();
  for (const unit of units) {
    const mine = own.get(unit.output) ?? [];
    const absorbed = unit.node !== undefined && absorbsEverything(network, unknowns, unit, mine);
    const plain = unit.node === undefined && unit.parameters.length === 0 && !hasOffset(network, unit);
    if (absorbed || plain) {
      for (const row of shiftRows(network, unknowns, unit, weights)) constraints.addRow(row);
      continue;
    }
    // Glue has said all about its inputs; what is left is its additive part, seen where they are zero.
    const blocks = sampledBlocks(network, unknowns, unit, mine, weights, random, unit.node === undefined);
    for (const block of blocks) constraints.addBlock(block);
    if (blocks.length > 0) constraints.settleRows();
  }
  const blocks = constraints.settle();
  return {
    network,
    weights,
    unknowns,
    units,
    own,
    sinks: sinksOf(units),
    frames: framesOf(network, units),
    solutions: solveBlocks(blocks, freeRoots(unknowns, blocks)),
  };
}

/** Root unknowns that no block constrains. */
function freeRoots(unknowns: Unknowns, blocks: readonly Block[]): Set<number> {
  const out = new Set<number>();
  for (let u = 0; u < unknowns.count; u++) {
    const known = unknowns.sets.resolve(u);
    if (known?.root === u) out.add(u);
  }
  for (const b of blocks) for (const u of b.unknowns) out.add(u);
  return out;
}

/** A constant or frozen summand: glue is affine, and its value at zero does not vanish. */
function hasOffset(network: Network, unit: Unit): boolean {
  const values = unit.program.evaluate((leaf) => {
    const shape = network.shape(leaf);
    return { type: "float64", shape, data: new Float64Array(elementCount(shape)) };
  });
  return unit.program.results(values)[0]!.data.some((x) => x !== 0);
}

/** Who moves what: parameters of one unit move with it, those of several are unknowns, gains and frozen ones stay. */
function ownership(
  network: Network,
  units: readonly Unit[],
  gainsMove: boolean,
): { readonly own: Map<string, string[]>; readonly shared: string[] } {
  const users = new Map<string, Unit[]>();
  for (const unit of units) {
    for (const p of unit.parameters) {
      const list = users.get(p);
      if (list) list.push(unit);
      else users.set(p, [unit]);
    }
  }
  const observed = new Set(network.outputs);
  const own = new Map<string, string[]>();
  const shared: string[] = [];
  for (const parameter of network.trainable) {
    const by = users.get(parameter) ?? [];
    if (by.length === 0 || observed.has(parameter)) continue;
    if (!gainsMove && by.some((u) => multiplies(network, u, parameter))) continue;
    if (by.length > 1) shared.push(parameter);
    else {
      const list = own.get(by[0]!.output);
      if (list) list.push(parameter);
      else own.set(by[0]!.output, [parameter]);
    }
  }
  return { own, shared };
}

/**
 * Whether the parameter is a gain of this unit: it multiplies, divides or is a slope, entry by entry. What is computed from
 * parameters first (1 + w, exp w) is no gain: engine B cannot own it.
 */
function multiplies(network: Network, unit: Unit, parameter: string): boolean {
  const { node } = unit;
  if (!node || !(node.operator === "Mul" || node.operator === "Div" || node.operator === "PRelu")) return false;
  return node.inputs.some((i) => network.kind(i) === "parameter" && carried(network, i) === parameter);
}

/** The parameter whose entries a value shows, moved about; undefined for values computed from parameters. */
function carried(network: Network, value: string): string | undefined {
  let at = value;
  for (let producer = network.producer(at); producer; producer = network.producer(at)) {
    if (!CARRIERS.has(producer.node.operator)) return undefined;
    at = producer.node.inputs[0]!;
  }
  return at;
}

/** At a Softmax over channels the shift that it forgets belongs to engine D: the field's part along all ones is zero. */
function softmaxGauge(network: Network, unknowns: Unknowns, unit: Unit, constraints: Constraints): void {
  const edge = unknowns.edges.get(unit.inputs[0] ?? "");
  if (!edge || edge.fixed || edge.diagonal || unit.node?.inputs[0] !== edge.value) return;
  const shape = network.shape(edge.value);
  const given = unit.node!.attributes.axis;
  const axis = typeof given === "number" ? (given < 0 ? given + shape.length : given) : shape.length - 1;
  if (!edge.channels.axes.includes(axis)) return;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const length = shape[axis]!;
  const lines = new Map<number, number[]>();
  edge.channels.entries.forEach((entries, channel) => {
    const first = entries[0];
    if (first === undefined) return;
    const line = Math.floor(first / (inner * length)) * inner + (first % inner);
    const list = lines.get(line);
    if (list) list.push(channel);
    else lines.set(line, [channel]);
  });
  for (const channels of lines.values()) {
    for (let j = 0; j < edge.channels.count; j++) {
      constraints.addRow({
        unknowns: channels.map((i) => unknowns.id(edge, i, j)),
        coefficients: channels.map(() => 1),
      });
    }
  }
}

function sinksOf(units: readonly Unit[]): Set<string> {
  const out = new Set<string>();
  for (const unit of units) if (unit.node) for (const i of unit.inputs) out.add(i);
  return out;
}

/** Edges written by parameter contractions, directly or as sums and other glue of such edges only. */
function framesOf(network: Network, units: readonly Unit[]): Set<string> {
  const out = new Set<string>();
  for (const unit of units) {
    const framed = unit.node
      ? isParameterContraction(network, unit.node)
      : unit.inputs.length > 0 && unit.inputs.every((i) => out.has(i));
    if (framed) out.add(unit.output);
  }
  return out;
}

/** The edge of a value. */
export function edgeOf(system: FieldSystem, value: string): Edge {
  return system.unknowns.edges.get(value)!;
}
