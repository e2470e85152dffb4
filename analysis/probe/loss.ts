/** @file Losses as nodes: the value, and the gradient with respect to the network's output, written down directly. */
import { type Graph, numberAttribute, producers } from "../graph/graph";
import { elementCount, isFloating, scalar, tensor } from "../graph/tensor";
import { ints, positive, range, reduce, reshape, scaled } from "../operators/lower/build";
import type { GraphBuilder } from "../operators/gradients/builder";
import { equalShapes } from "../operators/gradients/common";
import { isNoise } from "./noise";
import type { LossKind } from "./types";

/** Which value of a network a loss reads, and how. */
export interface LossPlan {
  readonly kind: LossKind;
  /** The value: logits where the network ends in Softmax, LogSoftmax or Sigmoid. */
  readonly value: string;
  /** Axis of the classes, without a replica axis in front; -1 where there are none. */
  readonly classAxis: number;
  /** Number of classes; 0 where there are none. */
  readonly classes: number;
}

/**
 * How to train the first output of a network. Without a wish: class scores (rank 2 with at least 2 columns, or one row of
 * scores per token) get cross-entropy, a network that ends in Sigmoid gets bce, everything else mse.
 */
export function planLoss(graph: Graph, wanted?: LossKind): LossPlan {
  const output = graph.outputs[0];
  const shape = output === undefined ? undefined : graph.types.get(output)?.shape;
  if (output === undefined || shape === undefined) {
    throw new Error(`${graph.name} has no output of known shape and floating type, so there is nothing to train`);
  }
  const rank = shape.length;
  const writer = producers(graph).get(output);
  const tokens = graph.inputs.some((i) => !isFloating(i.type) && i.type !== "bool");
  const last = writer?.operator;
  const classAxis = rank === 2 || (tokens && rank >= 3) ? rank - 1 : rank >= 3 ? 1 : -1;
  const classes = classAxis < 0 ? 0 : shape[classAxis]!;
  const ends = (name: string, axis: number) => last === name && positive(numberAttribute(writer!, "axis", -1), rank) === axis;
  const isScores = ends("Softmax", classAxis) || ends("LogSoftmax", classAxis) || lastIsLogarithmOfSoftmax(graph, output);
  // What has the shape of its input reproduces it.
  const [seen, ...others] = graph.inputs.filter((i) => !isNoise(i.name));
  const isAutoencoder = seen !== undefined && others.length === 0 && isFloating(seen.type) && equalShapes(seen.shape, shape);
  const guess: LossKind = isAutoencoder
    ? last === "Sigmoid"
      ? "bce"
      : "mse"
    : last === "Sigmoid"
      ? "bce"
      : isScores || (classes >= 2 && (rank === 2 || tokens))
        ? "cross-entropy"
        : "mse";
  const kind = wanted ?? guess;
  if (kind === "cross-entropy" && classes < 2) {
    throw new Error(`a cross-entropy needs at least two classes; the output ${output} has the shape [${shape.join(", ")}]`);
  }
  // The loss takes logits: a final (log-)softmax is part of it, and so is a final sigmoid of bce.
  const skip =
    (kind === "cross-entropy" && (ends("Softmax", classAxis) || ends("LogSoftmax", classAxis))) ||
    (kind === "bce" && last === "Sigmoid");
  const value = skip ? writer!.inputs[0]! : output;
  return { kind, value, classAxis: kind === "cross-entropy" ? classAxis : -1, classes: kind === "cross-entropy" ? classes : 0 };
}

/** Log of a Softmax in two operators, which a cross-entropy takes as logits without harm: its softmax is itself. */
function lastIsLogarithmOfSoftmax(graph: Graph, output: string): boolean {
  const writers = producers(graph);
  const last = writers.get(output);
  return last?.operator === "Log" && writers.get(last.inputs[0] ?? "")?.operator === "Softmax";
}

/** What {@link addLoss} made. */
export interface LossNodes {
  /** Mean loss: a scalar, or [R] with a replica axis in front. */
  readonly loss: string;
  /** Gradient of the sum of losses with respect to the plan's value. */
  readonly gradient: string;
}

/**
 * Appends a loss, averaged over all entries but those of the class axis (PyTorch's reduction "mean").
 * @param targets class indices (int64, the value's shape without the class axis) or numbers of the value's shape
 * @param replicas size of a replica axis in front of all values, or 0 where there is none
 * @param portable leaves out operators that GPU providers hand to the CPU (LogSoftmax, OneHot)
 */
export function addLoss(
  b: GraphBuilder,
  plan: LossPlan,
  value: string,
  targets: string,
  replicas: number,
  portable = false,
): LossNodes {
  const { shape, type } = b.type(value);
  if (shape === undefined) throw new Error(`the shape of ${value} is unknown`);
  const lead = replicas > 0 ? 1 : 0;
  const number = (v: number) => b.addConstant(scalar(v, type));
  const mean = (x: string, count: number) =>
    scaled(b, reduce(b, "ReduceSum", x, range(lead, b.type(x).shape!.length), 0), 1 / count);
  const all = elementCount(shape) / Math.max(1, replicas);
  if (plan.kind === "mse") {
    const difference = b.add("Sub", [value, targets]);
    return { loss: mean(b.add("Mul", [difference, difference]), all), gradient: scaled(b, difference, 2 / all) };
  }
  if (plan.kind === "bce") {
    const terms = b.add("Sub", [b.add("Softplus", [value]), b.add("Mul", [value, targets])]);
    const gradient = scaled(b, b.add("Sub", [b.add("Sigmoid", [value]), targets]), 1 / all);
    return { loss: mean(terms, all), gradient };
  }
  const axis = plan.classAxis + lead;
  const classes = shape[axis]!;
  const count = all / classes;
  const withAxis = shape.with(axis, 1);
  if (portable) {
    // Shifted by the maximum, so that the sum of exponentials stays in range.
    const shifted = b.add("Sub", [value, reduce(b, "ReduceMax", value, [axis])]);
    const logp = b.add("Sub", [shifted, b.add("Log", [reduce(b, "ReduceSum", b.add("Exp", [shifted]), [axis])])]);
    const index = reshape(b, b.add("Cast", [targets], { to: 6 }), withAxis);
    const numbers = b.addConstant(
      tensor(
        range(0, shape.length).map((a) => (a === axis ? classes : 1)),
        range(0, classes),
        "int32",
      ),
    );
    const rows = b.add("Where", [b.add("Equal", [index, numbers]), number(1 / count), number(0)]);
    const loss = mean(b.add("Mul", [logp, rows]), -1);
    return { loss, gradient: b.add("Sub", [scaled(b, b.add("Exp", [logp]), 1 / count), rows]) };
  }
  const logp = b.add("LogSoftmax", [value], { axis });
  const index = reshape(b, targets, withAxis);
  const picked = b.add("GatherElements", [logp, index], { axis });
  const loss = scaled(b, mean(picked, count), -1);
  // Softmax less one at the target.
  const ones = b.add("Expand", [number(-1 / count), ints(b, withAxis)]);
  const softmax = scaled(b, b.add("Exp", [logp]), 1 / count);
  return { loss, gradient: b.add("ScatterElements", [softmax, index, ones], { axis, reduction: "add" }) };
}
