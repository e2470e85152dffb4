/**
 * @file RNN, GRU and LSTM unrolled into MatMul, Add, Mul and their activations. The input is projected for all steps at
 * once; the state of a step is projected by itself. Gates are slices of the projections, as many as the operator has.
 */
import { type Attribute, numberAttribute, numbersAttribute, stringAttribute } from "../../graph/graph";
import { type Shape, tensor } from "../../graph/tensor";
import type { Lowering } from "../operator";
import { concat, input, plus, reshape, scalarLike, scaled, shapeOf, shifted, slice, transpose } from "./build";

/** A function of one value, as the attribute `activations` names it. */
type Activation = (x: string) => string;

/** What all three operators have in common, read from the node. */
interface Recurrence {
  readonly l: Lowering;
  /** X with time first: [T, B, I]. */
  readonly x: string;
  /** Steps, and how many of them are unrolled. */
  readonly total: number;
  readonly steps: number;
  readonly batch: number;
  readonly hidden: number;
  readonly directions: number;
  /** Mask of the examples that are still running at a step, [B, 1]; undefined where all of them always are. */
  readonly running: ((step: number) => string) | undefined;
  readonly batchFirst: boolean;
}

/** One direction of a recurrence. */
interface Direction {
  readonly r: Recurrence;
  readonly index: number;
  readonly reversed: boolean;
  /** Input projection of a step with its bias, [B, gates * H]. */
  projection(step: number): string;
  /** R of this direction transposed, [H, gates * H]. */
  readonly recurrence: string;
  /** The recurrent half of the bias, [gates * H]. */
  readonly recurrentBias: string | undefined;
  readonly activations: readonly Activation[];
}

/** A state between steps; undefined stands for zeros. */
type State = string | undefined;

/** The index of the sequence lengths among the inputs. */
const SEQUENCE_LENGTHS = 4;

function readRecurrence(l: Lowering): Recurrence | undefined {
  const [given, , weights] = l.node.inputs;
  const shape = shapeOf(l, given);
  const r = shapeOf(l, weights);
  if (!given || shape?.length !== 3 || r?.length !== 3) return undefined;
  const batchFirst = numberAttribute(l.node, "layout", 0) === 1;
  const [total, batch] = (batchFirst ? [shape[1]!, shape[0]!] : [shape[0]!, shape[1]!]) as [number, number];
  if (total < 1) return undefined;
  const axis = batchFirst ? 1 : 0;
  const y = l.node.outputs[0] ?? "";
  if (total > MOST_STEPS) throw new RangeError(`a sequence of ${total} steps is too long to be written out`);
  const steps = Math.min(total, l.recurrentSteps([{ value: given, axis }], y === "" ? [] : [{ value: y, axis }]));
  const x = batchFirst ? transpose(l, given, [1, 0, 2]) : given;
  const running = runningMask(l, total, batch);
  if (steps < total) l.note(`${l.node.operator}: ${steps} of ${total} steps are unrolled, they share their parameters`);
  const cut = steps < total ? slice(l, x, 0, 0, steps) : x;
  return { l, x: cut, total, steps, batch, hidden: r[2]!, directions: r[0]!, running, batchFirst };
}

/** Masks made of the sequence lengths; undefined where every example has all steps. */
function runningMask(l: Lowering, total: number, batch: number): Recurrence["running"] {
  const lengths = input(l, SEQUENCE_LENGTHS);
  if (lengths === undefined) return undefined;
  if (l.constant(lengths)?.data.every((n) => n >= total)) return undefined;
  const column = reshape(l, lengths, [batch, 1]);
  const type = l.type(lengths).type;
  return (step) => l.add("Greater", [column, l.addConstant(tensor([], [step], type))]);
}

/** Chooses, example by example, the new value where the example is still running and the old one (zero) elsewhere. */
function whileRunning(r: Recurrence, step: number, value: string, otherwise: State): string {
  if (r.running === undefined) return value;
  return r.l.add("Where", [r.running(step), value, otherwise ?? scalarLike(r.l, value, 0)]);
}

/** Number of activations per direction and their names where the node gives none. */
const DEFAULT_ACTIVATIONS: Readonly<Record<string, readonly string[]>> = {
  RNN: ["Tanh"],
  GRU: ["Sigmoid", "Tanh"],
  LSTM: ["Sigmoid", "Tanh", "Tanh"],
};

/** Values of alpha and beta where the node gives none; activations that take no such parameter are not here. */
const DEFAULT_PARAMETERS: Readonly<Record<string, readonly [alpha: number, beta?: number]>> = {
  leakyrelu: [0.01],
  thresholdedrelu: [1],
  elu: [1],
  hardsigmoid: [0.2, 0.5],
  affine: [1, 0],
  scaledtanh: [1, 1],
};

function isTextList(a: Attribute | undefined): a is readonly string[] {
  return Array.isArray(a) && a.every((v) => typeof v === "string");
}

/** The activations of all directions, in order; undefined where one is unknown. */
function readActivations(l: Lowering, directions: number): Activation[] | undefined {
  const defaults = DEFAULT_ACTIVATIONS[l.node.operator] ?? [];
  const given = l.node.attributes["activations"];
  const named = isTextList(given) && given.length > 0 ? given : Array.from({ length: directions }, () => defaults).flat();
  if (named.length !== directions * defaults.length) return undefined;
  // The lists of parameters hold entries for those activations only that take them.
  const alphas = [...(numbersAttribute(l.node, "activation_alpha") ?? [])];
  const betas = [...(numbersAttribute(l.node, "activation_beta") ?? [])];
  const clip = numberAttribute(l.node, "clip", 0);
  const out: Activation[] = [];
  for (const [k, name] of named.entries()) {
    const parameters = DEFAULT_PARAMETERS[name.toLowerCase()];
    const alpha = parameters === undefined ? 0 : (alphas.shift() ?? parameters[0]);
    const beta = parameters?.[1] === undefined ? 0 : (betas.shift() ?? parameters[1]);
    const f = activation(l, name.toLowerCase(), alpha, beta);
    if (f === undefined) return undefined;
    // Gates are clipped; the cell state that the third activation of an LSTM reads is not (as ONNX Runtime does it).
    const clips = clip > 0 && k % defaults.length < 2;
    out.push((x) => f(clips ? l.add("Clip", [x, scalarLike(l, x, -clip), scalarLike(l, x, clip)]) : x));
  }
  return out;
}

const PLAIN: Readonly<Record<string, string>> = {
  relu: "Relu",
  tanh: "Tanh",
  sigmoid: "Sigmoid",
  softsign: "Softsign",
  softplus: "Softplus",
};

function activation(l: Lowering, name: string, alpha: number, beta: number): Activation | undefined {
  const plain = PLAIN[name];
  if (plain !== undefined) return (x) => l.add(plain, [x]);
  switch (name) {
    case "leakyrelu":
      return (x) => l.add("LeakyRelu", [x], { alpha });
    case "thresholdedrelu":
      return (x) => l.add("ThresholdedRelu", [x], { alpha });
    case "elu":
      return (x) => l.add("Elu", [x], { alpha });
    case "hardsigmoid":
      return (x) => l.add("HardSigmoid", [x], { alpha, beta });
    case "affine":
      return (x) => shifted(l, scaled(l, x, alpha), beta);
    case "scaledtanh":
      return (x) => scaled(l, l.add("Tanh", [scaled(l, x, beta)]), alpha);
    default:
      return undefined;
  }
}

/** Part `index` of the first axis of a parameter, with that axis taken away. */
function part(l: Lowering, parameter: string, index: number): string {
  const shape = shapeOf(l, parameter)!;
  const cut = shape[0] === 1 ? parameter : slice(l, parameter, 0, index, index + 1);
  return reshape(l, cut, shape.slice(1));
}

/** All directions of a recurrence with `gates` gates. */
function readDirections(r: Recurrence, gates: number): Direction[] | undefined {
  const { l, hidden } = r;
  const [, w, weights] = l.node.inputs;
  const activations = readActivations(l, r.directions);
  if (!w || !weights || activations === undefined) return undefined;
  const mode = stringAttribute(l.node, "direction", "forward");
  if ((mode === "bidirectional" ? 2 : 1) !== r.directions) return undefined;
  const each = activations.length / r.directions;
  const width = gates * hidden;
  const bias = input(l, 3);
  return Array.from({ length: r.directions }, (_, index): Direction => {
    const inputWeights = transpose(l, part(l, w, index), [1, 0]);
    const both = bias === undefined ? undefined : part(l, bias, index);
    const inputBias = both === undefined ? undefined : slice(l, both, 0, 0, width);
    const projected = plus(l, l.add("MatMul", [r.x, inputWeights]), inputBias);
    return {
      r,
      index,
      reversed: mode === "reverse" || index === 1,
      projection: (step) => reshape(l, slice(l, projected, 0, step, step + 1), [r.batch, width]),
      recurrence: transpose(l, part(l, weights, index), [1, 0]),
      recurrentBias: both === undefined ? undefined : slice(l, both, 0, width, 2 * width),
      activations: activations.slice(index * each, (index + 1) * each),
    };
  });
}

/** The initial state of a direction, undefined where it is zero. */
function initialState(d: Direction, inputIndex: number): State {
  const { l, batch, hidden, batchFirst } = d.r;
  const given = input(l, inputIndex);
  if (given === undefined || l.constant(given)?.data.every((v) => v === 0)) return undefined;
  const axis = batchFirst ? 1 : 0;
  const cut = d.r.directions === 1 ? given : slice(l, given, axis, d.index, d.index + 1);
  return reshape(l, cut, [batch, hidden]);
}

/** Gate `index` of a projection: [B, H]. */
function gate(d: Direction, projection: string, index: number): string {
  const { l, hidden } = d.r;
  return slice(l, projection, 1, index * hidden, (index + 1) * hidden);
}

/** The projection of the state with its bias, undefined where there is neither. */
function recurrentProjection(d: Direction, h: State): string | undefined {
  const { l } = d.r;
  if (h === undefined) return d.recurrentBias;
  return plus(l, l.add("MatMul", [h, d.recurrence]), d.recurrentBias);
}

/** The states of one direction: after each unrolled step in the order of time, and at the end of its run. */
interface Run {
  readonly steps: readonly string[];
  readonly last: readonly string[];
}

/** Runs a cell over the unrolled steps. The first of its states is the output of a step. */
function run(d: Direction, initial: readonly State[], cell: (step: number, states: readonly State[]) => readonly string[]): Run {
  const { r } = d;
  const outputs: string[] = new Array<string>(r.steps);
  let states = initial;
  for (let k = 0; k < r.steps; k++) {
    const step = d.reversed ? r.steps - 1 - k : k;
    const next = cell(step, states);
    outputs[step] = whileRunning(r, step, next[0]!, undefined);
    states = next.map((value, i) => whileRunning(r, step, value, states[i]));
  }
  return { steps: outputs, last: states as readonly string[] };
}

/** Sequences longer than this are not unrolled: the node stays opaque. */
const MOST_STEPS = 65_536;

/** The node's outputs from the runs of its directions: Y, and the final states. */
function collect(r: Recurrence, runs: readonly Run[]): readonly string[] {
  const { l, batch, hidden, directions, total, steps } = r;
  const wide = (value: string, shape: Shape) => reshape(l, value, shape);
  return l.node.outputs.map((name, k) => {
    if (name === "") return "";
    if (k > 0) {
      const shape = r.batchFirst ? [batch, 1, hidden] : [1, batch, hidden];
      const states = runs.map((one) => wide(one.last[k - 1]!, shape));
      return concat(l, states, r.batchFirst ? 1 : 0);
    }
    const byStep = Array.from({ length: steps }, (_, t) => {
      const all = runs.map((one) => wide(one.steps[t]!, [1, 1, batch, hidden]));
      return concat(l, all, 1);
    });
    // Steps that were left out repeat the last one, so that shapes downstream stay.
    const filledUp = Array.from({ length: total }, (_, t) => byStep[Math.min(t, steps - 1)]!);
    const y = concat(l, filledUp, 0);
    return r.batchFirst ? transpose(l, wide(y, [total, directions, batch, hidden]), [2, 0, 1, 3]) : y;
  });
}

/** RNN: h = f(x W' + h R' + bW + bR). */
export function lowerRnn(l: Lowering): readonly string[] | undefined {
  const r = readRecurrence(l);
  const directions = r && readDirections(r, 1);
  if (!r || !directions) return undefined;
  const runs = directions.map((d) => {
    const cell = (step: number, [h]: readonly State[]) => [
      d.activations[0]!(plus(l, d.projection(step), recurrentProjection(d, h))),
    ];
    return run(d, [initialState(d, 5)], cell);
  });
  return collect(r, runs);
}

/** GRU, gates z, r, h: the reset gate acts on the projected state (linear_before_reset) or on the state itself. */
export function lowerGru(l: Lowering): readonly string[] | undefined {
  const r = readRecurrence(l);
  const directions = r && readDirections(r, 3);
  if (!r || !directions) return undefined;
  const resetsProjection = numberAttribute(l.node, "linear_before_reset", 0) !== 0;
  const runs = directions.map((d) => {
    const [f, g] = d.activations as [Activation, Activation];
    const columns = (from: number, to: number) => slice(l, d.recurrence, 1, from * r.hidden, to * r.hidden);
    const biasPart = (from: number, to: number) =>
      d.recurrentBias && slice(l, d.recurrentBias, 0, from * r.hidden, to * r.hidden);
    const candidateBias = biasPart(2, 3);
    // With the reset gate on the state itself, the candidate's columns meet another operand than those of the gates.
    const projecting: Direction = resetsProjection ? d : { ...d, recurrence: columns(0, 2), recurrentBias: biasPart(0, 2) };
    // What the reset gate lets through of the state, projected for the candidate.
    const remembered = (reset: string, projected: string | undefined, h: State): string | undefined => {
      if (resetsProjection) return projected && l.add("Mul", [reset, gate(d, projected, 2)]);
      if (h === undefined) return candidateBias;
      return plus(l, l.add("MatMul", [l.add("Mul", [reset, h]), columns(2, 3)]), candidateBias);
    };
    const cell = (step: number, [h]: readonly State[]) => {
      const x = d.projection(step);
      const projected = projectedState(projecting, h);
      const gates = [0, 1].map((k) => f(plus(l, gate(d, x, k), projected && gate(d, projected, k))));
      const [update, reset] = gates as [string, string];
      const candidate = g(plus(l, gate(d, x, 2), remembered(reset, projected, h)));
      const fresh = l.add("Mul", [l.add("Sub", [scalarLike(l, update, 1), update]), candidate]);
      return [h === undefined ? fresh : l.add("Add", [fresh, l.add("Mul", [update, h])])];
    };
    return run(d, [initialState(d, 5)], cell);
  });
  return collect(r, runs);
}

/** The state's projection as a matrix with one row per example, also where it is the bias alone. */
function projectedState(d: Direction, h: State): string | undefined {
  const value = recurrentProjection(d, h);
  if (value === undefined || h !== undefined) return value;
  return reshape(d.r.l, value, [1, shapeOf(d.r.l, value)![0]!]);
}

/** LSTM, gates i, o, f, c, with peepholes P (i, o, f) where they are given. */
export function lowerLstm(l: Lowering): readonly string[] | undefined {
  const r = readRecurrence(l);
  const directions = r && readDirections(r, 4);
  if (!r || !directions) return undefined;
  const peepholes = input(l, 7);
  const coupled = numberAttribute(l.node, "input_forget", 0) !== 0;
  const runs = directions.map((d) => {
    const [f, g, h] = d.activations as [Activation, Activation, Activation];
    const all = peepholes === undefined ? undefined : part(l, peepholes, d.index);
    const peep = (value: string, k: number, c: State): string => {
      if (all === undefined || c === undefined) return value;
      return plus(l, value, l.add("Mul", [slice(l, all, 0, k * r.hidden, (k + 1) * r.hidden), c]));
    };
    const cell = (step: number, [state, memory]: readonly State[]) => {
      const sum = plus(l, d.projection(step), recurrentProjection(d, state));
      const inGate = f(peep(gate(d, sum, 0), 0, memory));
      const forget = coupled ? l.add("Sub", [scalarLike(l, inGate, 1), inGate]) : f(peep(gate(d, sum, 2), 2, memory));
      const fresh = l.add("Mul", [inGate, g(gate(d, sum, 3))]);
      const c = memory === undefined ? fresh : l.add("Add", [l.add("Mul", [forget, memory]), fresh]);
      const outGate = f(peep(gate(d, sum, 1), 1, c));
      return [l.add("Mul", [outGate, h(c)]), c];
    };
    return run(d, [initialState(d, 5), initialState(d, 6)], cell);
  });
  return collect(r, runs);
}
