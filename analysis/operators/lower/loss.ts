/** @file Losses over class scores, as products with one-hot rows of the labels. */
import { stringAttribute } from "../../graph/graph";
import { scalar, tensor } from "../../graph/tensor";
import type { Lowering } from "../operator";
import { input, outputs, range, reduce, reshape, shapeOf, wants } from "./build";

/** The reduction of -weight[label] logp[label], with classes on axis 1. */
function negativeLogLikelihood(l: Lowering, logp: string, labels: string, weights: string | undefined): string | undefined {
  const shape = shapeOf(l, logp);
  if (shape === undefined || shape.length < 2) return undefined;
  const classes = shape[1]!;
  const type = l.type(logp).type;
  const labelType = l.type(labels).type;
  const ignored = l.node.attributes["ignore_index"];
  let index = labels;
  if (typeof ignored === "number") {
    // A label behind the last class has a row of zeros: it counts neither in the sum nor in the mean.
    const none = l.addConstant(scalar(classes, labelType));
    index = l.add("Where", [l.add("Equal", [labels, l.addConstant(scalar(ignored, labelType))]), none, labels]);
  }
  const depth = l.addConstant(scalar(classes, "int64"));
  let rows = l.add("OneHot", [index, depth, l.addConstant(tensor([2], [0, 1], type))], { axis: 1 });
  if (weights !== undefined) {
    const column = reshape(l, weights, [classes, ...new Array<number>(shape.length - 2).fill(1)]);
    rows = l.add("Mul", [rows, column]);
  }
  const picked = reduce(l, "ReduceSum", l.add("Mul", [logp, rows]), [1], 0);
  const loss = l.add("Neg", [picked]);
  const all = range(0, shape.length - 1);
  switch (stringAttribute(l.node, "reduction", "mean")) {
    case "none":
      return loss;
    case "sum":
      return reduce(l, "ReduceSum", loss, all, 0);
    case "mean": {
      if (weights === undefined && typeof ignored !== "number") return reduce(l, "ReduceMean", loss, all, 0);
      const total = reduce(l, "ReduceSum", rows, range(0, shape.length), 0);
      return l.add("Div", [reduce(l, "ReduceSum", loss, all, 0), total]);
    }
    default:
      return undefined;
  }
}

/** NegativeLogLikelihoodLoss. */
export function lowerNegativeLogLikelihoodLoss(l: Lowering): readonly string[] | undefined {
  const [logp, labels] = [input(l, 0), input(l, 1)];
  const loss = logp && labels && negativeLogLikelihood(l, logp, labels, input(l, 2));
  return loss ? [loss] : undefined;
}

/** SoftmaxCrossEntropyLoss: the same of the logarithm of Softmax over axis 1, which is output 1. */
export function lowerSoftmaxCrossEntropyLoss(l: Lowering): readonly string[] | undefined {
  const [scores, labels] = [input(l, 0), input(l, 1)];
  if (!scores || !labels) return undefined;
  const logp = l.add("Log", [l.add("Softmax", [scores], { axis: 1 })]);
  const loss = wants(l, 0) ? negativeLogLikelihood(l, logp, labels, input(l, 2)) : "";
  if (loss === undefined) return undefined;
  return outputs(
    l,
    () => loss,
    () => logp,
  );
}
