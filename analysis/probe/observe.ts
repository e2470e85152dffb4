/** @file The model that looks at a state without changing it: loss, right answers and what hidden units do on a batch. */
import { writeOnnx } from "../frontends/onnx/write";
import { type Graph, type GraphInput, type Node, producers } from "../graph/graph";
import { elementCount, isFloating, scalar, type Shape } from "../graph/tensor";
import { GraphBuilder } from "../operators/gradients/builder";
import { range, reduce, reshape, scaled } from "../operators/lower/build";
import { operatorTable } from "../operators/table";
import { addLoss, type LossPlan } from "./loss";
import { packShape } from "./packs";
import type { Trainable } from "./prepare";
import type { Layout } from "./layout";
import { addParameters, type Reparametrisation } from "./reparametrise";

/** Functions after which a unit is dead or alive. */
const NONLINEAR: ReadonlySet<string> = new Set(
  "Relu LeakyRelu PRelu Elu Celu Selu Gelu Tanh Sigmoid HardSigmoid HardSwish Mish Softplus Softsign ThresholdedRelu".split(" "),
);
/** Operators that leave channels where they are. */
const PASSING: ReadonlySet<string> = new Set([
  ...NONLINEAR,
  "Add",
  "Sub",
  "Mul",
  "Div",
  "BatchNormalization",
  "MaxPool",
  "AveragePool",
]);

/** What to feed and fetch. */
export interface ObserveModel {
  readonly model: Uint8Array;
  /** Names of the inputs for the batch, by the network's input; and the targets. */
  readonly data: ReadonlyMap<string, string>;
  readonly targets: string;
  /** Names of the outputs: loss, number of right answers (classifiers), and per activity the two per-unit vectors. */
  readonly loss: string;
  readonly correct: string | undefined;
  readonly activity: readonly { readonly value: string; readonly meanAbsolute: string; readonly active: string }[];
  /** How many answers a batch has. */
  readonly answers: number;
}

const batchInput = (name: string): string => `probe:batch:${name}`;

/** Makes the model. State goes in as in training, one run at a time. */
export function observeModel(
  trainable: Trainable,
  layout: Layout,
  loss: LossPlan,
  reparametrisation?: Reparametrisation,
): ObserveModel {
  const source = trainable.graph;
  const b = new GraphBuilder(
    { ...source, inputs: [], outputs: [], nodes: [], parameters: new Map(), types: new Map(source.types) },
    operatorTable,
  );
  for (const pack of [...layout.parameters, ...layout.statistics]) {
    b.addInput(pack.name, "float32", packShape(pack, 0));
    addParameters(b, pack, 0, reparametrisation);
  }
  for (const name of layout.frozen) {
    const p = source.parameters.get(name)!;
    b.addInput(name, p.type, p.shape);
  }
  const identity = (output: string, from: string) =>
    b.append({ name: output, operator: "Identity", domain: "", inputs: [from], outputs: [output], attributes: {}, origin: {} });
  const inputs: GraphInput[] = [];
  for (const input of source.inputs) {
    inputs.push({ ...input, name: b.addInput(batchInput(input.name), input.type, input.shape) });
    identity(input.name, batchInput(input.name));
  }
  const value = source.types.get(loss.value)!.shape!;
  const targetShape = loss.kind === "cross-entropy" ? value.toSpliced(loss.classAxis, 1) : value;
  const targets = b.addInput("probe:batch:targets", loss.kind === "cross-entropy" ? "int64" : "float32", targetShape);
  for (const node of source.nodes) b.take(node);
  const outputs: string[] = [];
  const out = (value: string): string => {
    outputs.push(value);
    return value;
  };
  const lossValue = out(addLoss(b, loss, loss.value, targets, 0).loss);
  let correct: string | undefined;
  if (loss.kind === "cross-entropy") {
    const chosen = b.add("ArgMax", [loss.value], { axis: loss.classAxis, keepdims: 0 });
    const right = b.add("Cast", [b.add("Equal", [chosen, targets])], { to: 1 });
    correct = out(reduce(b, "ReduceSum", right, range(0, targetShape.length), 0));
  }
  const activity = hiddenUnits(source, loss.value).map(({ name, axis, shape }) => {
    const others = range(0, shape.length).filter((a) => a !== axis);
    const count = elementCount(shape) / shape[axis]!;
    const mean = (x: string) => out(reshape(b, scaled(b, reduce(b, "ReduceSum", x, others, 0), 1 / count), [shape[axis]!]));
    const zero = b.addConstant(scalar(0, "float32"));
    const active = b.add("Cast", [b.add("Not", [b.add("Equal", [name, zero])])], { to: 1 });
    return { value: name, meanAbsolute: mean(b.add("Abs", [name])), active: mean(active) };
  });
  return {
    model: writeOnnx(b.finish(outputs)),
    data: new Map(source.inputs.map((i) => [i.name, batchInput(i.name)])),
    targets,
    loss: lossValue,
    correct,
    activity,
    answers: elementCount(targetShape),
  };
}

/** Outputs of nonlinearities, with the axis of their units: axis 1 behind convolutions, the last behind affine layers. */
function hiddenUnits(graph: Graph, output: string): { readonly name: string; readonly axis: number; readonly shape: Shape }[] {
  const writers = producers(graph);
  return graph.nodes.flatMap((node) => {
    const name = node.outputs[0]!;
    const { shape, type } = graph.types.get(name) ?? { shape: undefined, type: "other" as const };
    if (!NONLINEAR.has(node.operator) || name === output || !shape || shape.length < 2 || !isFloating(type)) return [];
    return [{ name, axis: unitAxis(writers, node, shape.length), shape }];
  });
}

function unitAxis(writers: ReadonlyMap<string, Node>, node: Node, rank: number): number {
  let at: Node | undefined = node;
  for (let steps = 0; at && steps < 16; steps++) {
    if (at.operator === "Conv" || at.operator === "ConvTranspose" || at.operator === "BatchNormalization") return 1;
    if (!PASSING.has(at.operator)) break;
    at = writers.get(at.inputs[0] ?? "");
  }
  return rank >= 4 && at?.operator !== "MatMul" && at?.operator !== "Gemm" ? 1 : rank - 1;
}
