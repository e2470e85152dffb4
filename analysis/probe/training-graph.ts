/**
 * @file A training step as an ONNX graph: data picked by index, forward, loss, backward, update. It is made once and written
 * twice: as one step (which also returns gradients), and as the body of a Scan that runs as many steps as indices are fed,
 * with the state never leaving the runtime between them.
 */
import { writeOnnx } from "../frontends/onnx/write";
import { CAPTURED_INPUTS, type Graph, type GraphInput, type Node } from "../graph/graph";
import { type ElementType, elementCount, type Shape, tensor, type TensorType } from "../graph/tensor";
import { GraphBuilder } from "../operators/gradients/builder";
import { backpropagate } from "../operators/gradients/reverse";
import { concat, ints } from "../operators/lower/build";
import { operatorTable } from "../operators/table";
import { blockConvolutions } from "./blocked";
import { addLoss, type LossPlan } from "./loss";
import { dataName, gradientOf, INDEX, LOSSES, nextOf, NORMS, numberInput, scanInput, TARGETS } from "./names";
import { addClipping, addUpdate, optimiserSlots, stepNumbers } from "./optimiser";
import { layoutOf } from "./layout";
import { type Pack, packShape, repack, unpack } from "./packs";
import { addParameters, freeName } from "./reparametrise";
import type { Trainable } from "./prepare";
import type { ProbeSetting, TrainingSettings } from "./types";

/** What to build. */
export interface TrainingSpec {
  readonly trainable: Trainable;
  readonly loss: LossPlan;
  /** 0: one run. Otherwise the graph's values have a replica axis of this size in front of them. */
  readonly replicas: number;
  /** One for each replica, or one for all. They differ in learning rate, decay and groups at most. */
  readonly settings: readonly TrainingSettings[];
  readonly reparametrisation?: ProbeSetting["reparametrisation"];
  /** "rows": a batch is rows of the data; "whole": the data hold whole batches, and one of them is picked. */
  readonly batching: "rows" | "whole";
  /** Leaves out operators that GPU providers do not have. */
  readonly portable?: boolean;
  /** Channels of a block of the CPU provider's own layout for convolutions, where it has one (see blocked.ts). */
  readonly block?: number | undefined;
}

/** A tensor of the state: parameters, optimiser's memory, running statistics. */
export interface StateTensor {
  readonly name: string;
  readonly pack: Pack;
  readonly kind: "parameters" | "momentum" | "variance" | "statistics";
}

/** The models of a training, and how to feed them. */
export interface TrainingModels {
  /** Inputs: state, data, `index` [K, ..], numbers [K, ..]. Outputs: state, `losses` [K, ..], `norms` [K, ..]. */
  readonly scan: Uint8Array;
  /** The same for one step, without K; outputs the gradients of the parameters' packs as well (`gradient:NAME`). */
  readonly step: Uint8Array;
  readonly state: readonly StateTensor[];
  /** Parameters and buffers that do not change: fed once, by name. */
  readonly frozen: readonly string[];
  /** Names of the inputs that hold the data, by the network's input, and of the targets. */
  readonly data: ReadonlyMap<string, string>;
  readonly targets: string;
  readonly numbers: readonly string[];
  readonly replicas: number;
}

/** The parts of a step's graph that its two forms share. */
interface Body {
  readonly builder: GraphBuilder;
  readonly state: readonly StateTensor[];
  readonly next: readonly string[];
  readonly loss: string;
  readonly norm: string;
  readonly gradients: readonly { readonly pack: Pack; readonly value: string }[];
  readonly frozen: readonly string[];
  readonly captured: readonly GraphInput[];
  readonly numbers: readonly string[];
}

/** Shape of what one step picks: indices of rows, or of a batch. */
function indexShape(spec: TrainingSpec, batch: number): Shape {
  const lead = spec.replicas > 0 ? [spec.replicas] : [];
  return spec.batching === "rows" ? [...lead, batch] : lead;
}

function addBody(spec: TrainingSpec): Body {
  const { trainable, replicas, settings } = spec;
  const [first] = settings as [TrainingSettings];
  const source = trainable.graph;
  const layout = layoutOf(trainable, replicas > 0);
  const types = new Map(source.types);
  const b = new GraphBuilder(
    { ...source, inputs: [], outputs: [], nodes: [], parameters: new Map(), types, constants: new Map(source.constants) },
    operatorTable,
  );
  const captured: GraphInput[] = [];
  const outer = (name: string, type: ElementType, shape: Shape): string => {
    captured.push({ name, type, shape });
    b.types.set(name, { type, shape });
    return name;
  };

  // The state comes in.
  const state: StateTensor[] = layout.parameters.map((pack) => ({ name: pack.name, pack, kind: "parameters" }));
  for (const kind of optimiserSlots(first)) {
    for (const pack of layout.parameters) state.push({ name: `${pack.name}:${kind}`, pack, kind });
  }
  for (const pack of layout.statistics) state.push({ name: pack.name, pack, kind: "statistics" });
  for (const s of state) b.addInput(s.name, "float32", packShape(s.pack, replicas));
  for (const pack of layout.parameters) addParameters(b, pack, replicas, spec.reparametrisation);
  for (const pack of layout.statistics) unpack(b, pack, pack.name, replicas, (e) => e.name);
  for (const name of layout.frozen) {
    const p = source.parameters.get(name)!;
    outer(name, p.type, p.shape);
  }

  // The batch comes in.
  const batch = source.inputs[0]?.shape[replicas > 0 ? 1 : 0] ?? 1;
  b.addInput(INDEX, "int64", indexShape(spec, batch));
  const pick = (data: string, output: string) =>
    b.append({
      name: output,
      operator: "Gather",
      domain: "",
      inputs: [data, INDEX],
      outputs: [output],
      attributes: { axis: 0 },
      origin: {},
    });
  const examples = (shape: Shape) => {
    const own = replicas > 0 ? shape.slice(1) : shape;
    return [1, ...(spec.batching === "rows" ? own.slice(1) : own)];
  };
  for (const input of source.inputs) {
    outer(dataName(input.name), input.type, examples(input.shape));
    pick(dataName(input.name), input.name);
  }
  const value = source.types.get(spec.loss.value)!.shape!;
  const lead = replicas > 0 ? 1 : 0;
  const targetShape = spec.loss.kind === "cross-entropy" ? value.toSpliced(spec.loss.classAxis + lead, 1) : value;
  outer(TARGETS, spec.loss.kind === "cross-entropy" ? "int64" : "float32", examples(targetShape));
  pick(TARGETS, "probe:targets");

  // Forward, loss, backward.
  for (const node of source.nodes) b.take(node);
  const { loss, gradient } = addLoss(b, spec.loss, spec.loss.value, "probe:targets", replicas, spec.portable);
  const wanted = layout.parameters.flatMap((p) => p.entries.map((e) => freeName(e.name, spec.reparametrisation)));
  const found = backpropagate(b, new Map([[spec.loss.value, gradient]]), wanted);
  const gradientValue = (name: string, shape: Shape): string => {
    const full = replicas > 0 ? [replicas, ...shape] : shape;
    return (
      found.get(freeName(name, spec.reparametrisation)) ??
      b.add("Expand", [b.addConstant(tensor([], [0], "float32")), ints(b, full)])
    );
  };
  const raw = layout.parameters.map((pack) => repack(b, pack, (e) => gradientValue(e.name, e.shape), replicas));
  const { norm, gradients } = addClipping(b, raw, replicas, first.clipNorm);

  // Update.
  const numbers = stepNumbers(first);
  const numberShape = replicas > 0 ? [replicas, 1] : [];
  for (const name of numbers) b.addInput(numberInput(name), "float32", numberShape);
  const next = new Map<string, string>();
  layout.parameters.forEach((pack, i) => {
    const slot = (kind: "momentum" | "variance") =>
      optimiserSlots(first).includes(kind) ? { [kind]: `${pack.name}:${kind}` } : {};
    const inputs = { pack, theta: pack.name, gradient: gradients[i]!, ...slot("momentum"), ...slot("variance") };
    const out = addUpdate(b, inputs, settings, new Map(numbers.map((n) => [n, numberInput(n)])), replicas);
    next.set(pack.name, out.theta);
    if (out.momentum !== undefined) next.set(`${pack.name}:momentum`, out.momentum);
    if (out.variance !== undefined) next.set(`${pack.name}:variance`, out.variance);
  });
  for (const pack of layout.statistics) next.set(pack.name, addStatistics(b, trainable, pack, replicas));
  if (spec.block !== undefined) blockConvolutions(b, spec.block);
  return {
    builder: b,
    state,
    // A name that is an input cannot be an output as well; ONNX Runtime wants a node between.
    next: state.map((s) => {
      const value = next.get(s.name)!;
      return value === s.name ? b.add("Identity", [value]) : value;
    }),
    loss,
    norm,
    gradients: layout.parameters.map((pack, i) => ({ pack, value: raw[i]! })),
    frozen: layout.frozen,
    captured,
    numbers,
  };
}

/** Running means and variances: old * momentum + new * (1 - momentum), the new variance that of a sample. */
function addStatistics(b: GraphBuilder, trainable: Trainable, pack: Pack, replicas: number): string {
  const keep = new Float64Array(pack.size);
  const take = new Float64Array(pack.size);
  const parts: string[] = [];
  const lead = replicas > 0 ? [replicas] : [];
  for (const entry of pack.entries) {
    const s = trainable.statistics.find((t) => t.mean === entry.name || t.variance === entry.name)!;
    const isMean = s.mean === entry.name;
    const size = elementCount(entry.shape);
    keep.fill(s.momentum, entry.offset, entry.offset + size);
    const correction = isMean ? 1 : s.count / Math.max(1, s.count - 1);
    take.fill((1 - s.momentum) * correction, entry.offset, entry.offset + size);
    parts.push(b.add("Reshape", [isMean ? s.batchMean : s.batchVariance, ints(b, [...lead, size])]));
  }
  const constant = (data: Float64Array) => b.addConstant(tensor([pack.size], data, "float32"));
  const batch = concat(b, parts, lead.length);
  return b.add("Add", [b.add("Mul", [pack.name, constant(keep)]), b.add("Mul", [batch, constant(take)])]);
}

/** Makes the models of a training. @throws GradientError where an operator cannot be differentiated */
export function trainingModels(spec: TrainingSpec): TrainingModels {
  const body = addBody(spec);
  return {
    scan: writeOnnx(scanGraph(body)),
    step: writeOnnx(stepGraph(body)),
    state: body.state,
    frozen: body.frozen,
    data: new Map(spec.trainable.graph.inputs.map((i) => [i.name, dataName(i.name)])),
    targets: TARGETS,
    numbers: body.numbers,
    replicas: spec.replicas,
  };
}

/** Types of the inputs that both forms take from outside: data have any number of examples. */
function capturedTypes(body: Body): Map<string, TensorType> {
  return new Map(
    body.captured.map(({ name, type, shape }) => [name, { type, shape: body.frozen.includes(name) ? shape : undefined }]),
  );
}

/** One step on its own. */
function stepGraph(body: Body): Graph {
  const b = body.builder;
  const values = [...body.next, body.loss, body.norm, ...body.gradients.map((g) => g.value)];
  const names = [...body.state.map((s) => nextOf(s.name)), LOSSES, NORMS, ...body.gradients.map((g) => gradientOf(g.pack.name))];
  const types = new Map([...b.types, ...capturedTypes(body)]);
  names.forEach((name, i) => types.set(name, b.type(values[i]!)));
  const outputs = values.map((value, i): Node => {
    const name = names[i]!;
    return { name, operator: "Identity", domain: "", inputs: [value], outputs: [name], attributes: {}, origin: {} };
  });
  return { ...b.finish(names), inputs: [...b.inputs, ...body.captured], nodes: [...b.nodes, ...outputs], types };
}

/** As many steps as there are indices: state goes round, indices and numbers come in slices, losses and norms are stacked. */
function scanGraph(body: Body): Graph {
  const b = body.builder;
  const states = body.state.map((s) => s.name);
  const scanned = [INDEX, ...body.numbers.map(numberInput)];
  const inner: Graph = b.finish([...body.next, body.loss, body.norm]);
  const ordered = [...states, ...scanned].map((name) => inner.inputs.find((i) => i.name === name)!);
  const types = capturedTypes(body);
  for (const name of states) types.set(scanInput(name), b.type(name));
  for (const name of scanned) types.set(scanInput(name), { type: b.type(name).type, shape: undefined });
  const outputs = [...states.map(nextOf), LOSSES, NORMS];
  outputs.forEach((name, i) => {
    types.set(name, i < states.length ? b.type(states[i]!) : { type: "float32", shape: undefined });
  });
  const inputs = [...states, ...scanned].map(scanInput);
  const outside = body.captured.map((c) => c.name);
  const steps: Node = {
    name: "steps",
    operator: "Scan",
    domain: "",
    inputs: [...inputs, ...outside],
    outputs,
    attributes: { body: { ...inner, inputs: ordered }, num_scan_inputs: scanned.length, [CAPTURED_INPUTS]: outside.length },
    origin: {},
  };
  return {
    name: "training",
    opset: 21,
    inputs: [
      ...inputs.map((name) => ({ name, type: types.get(name)!.type, shape: types.get(name)!.shape ?? [] })),
      ...body.captured,
    ],
    outputs,
    nodes: [steps],
    parameters: new Map(),
    constants: new Map(),
    types,
  };
}
