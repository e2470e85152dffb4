/** @file Activation functions, elementwise, with their attributes (alpha, gamma, approximate, ...). */
import { numberAttribute, stringAttribute } from "../graph/graph";
import type { Node } from "../graph/graph";
import { elementCount, type Tensor } from "../graph/tensor";
import { type Curve, binary, pointwise, pointwiseWith } from "./factories";
import { normalCdf, normalDensity, sigmoid, softplus } from "./kernels/special";
import { sameShape } from "./kernels/strided";
import type { Operator } from "./operator";
import { broadcastShape, elementType, fail, inputShape, showShape } from "./rules";

const ROOT_TWO_OVER_PI = Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

const exactGelu: Curve = {
  value: (x) => x * normalCdf(x),
  slope: (x) => normalCdf(x) + x * normalDensity(x),
};

/** The tanh approximation of GELU (arXiv:1606.08415). */
const tanhGelu: Curve = {
  value: (x) => 0.5 * x * (1 + Math.tanh(ROOT_TWO_OVER_PI * (x + GELU_CUBIC * x * x * x))),
  slope: (x) => {
    const t = Math.tanh(ROOT_TWO_OVER_PI * (x + GELU_CUBIC * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * ROOT_TWO_OVER_PI * (1 + 3 * GELU_CUBIC * x * x);
  },
};

/** x sigmoid(alpha x): Swish, SiLU for alpha = 1. */
export function swish(alpha: number): Curve {
  return {
    value: (x) => x * sigmoid(alpha * x),
    slope: (x) => {
      const s = sigmoid(alpha * x);
      return s + alpha * x * s * (1 - s);
    },
  };
}

/** max(0, min(1, alpha x + beta)). */
function hardSigmoid(alpha: number, beta: number): Curve {
  return {
    value: (x) => Math.max(0, Math.min(1, alpha * x + beta)),
    slope: (x) => {
      const z = alpha * x + beta;
      return z > 0 && z < 1 ? alpha : 0;
    },
  };
}

/** gain times x for x > 0, else times height (exp(x / width) - 1): Elu, Celu and Selu. */
function exponentialLinear(gain: number, height: number, width: number): Curve {
  return {
    value: (x) => gain * (x > 0 ? x : height * Math.expm1(x / width)),
    slope: (x) => gain * (x > 0 ? 1 : (height / width) * Math.exp(x / width)),
  };
}

/** The bounds of Clip: attributes up to opset 10, optional inputs later. */
function clip(node: Node, inputs: readonly (Tensor | undefined)[]): Curve {
  const low = inputs[1]?.data[0] ?? numberAttribute(node, "min", Number.NEGATIVE_INFINITY);
  const high = inputs[2]?.data[0] ?? numberAttribute(node, "max", Number.POSITIVE_INFINITY);
  return {
    // With low > high every element becomes high (ONNX Clip-13).
    value: (x) => (Number.isNaN(x) ? x : Math.min(high, Math.max(low, x))),
    slope: (x) => (x >= low && x <= high ? 1 : 0),
  };
}

/** Clip with the derivative by its bounds, which may be computed from parameters. */
const clipTangent: NonNullable<Operator["tangent"]> = (node, x, y, dx) => {
  if (dx.every((d) => d === undefined)) return undefined;
  const source = x[0] ?? fail(node, "input 0 is absent");
  const low = x[1]?.data[0] ?? numberAttribute(node, "min", Number.NEGATIVE_INFINITY);
  const high = x[2]?.data[0] ?? numberAttribute(node, "max", Number.POSITIVE_INFINITY);
  const moved = dx[0]?.data;
  const dLow = dx[1]?.data[0] ?? 0;
  const dHigh = dx[2]?.data[0] ?? 0;
  const data = new Float64Array(y.data.length);
  for (let i = 0; i < data.length; i++) {
    const v = source.data[i]!;
    if (Math.max(low, v) > high) data[i] = dHigh;
    else if (v < low) data[i] = dLow;
    else data[i] = moved ? moved[i]! : 0;
  }
  return { type: y.type, shape: y.shape, data };
};

/** Activations. */
export const activationOperators: readonly Operator[] = [
  pointwise(
    "Relu",
    (x) => (x > 0 ? x : x === x ? 0 : x),
    (x) => (x > 0 ? 1 : 0),
  ),
  pointwiseWith("LeakyRelu", (node) => {
    const alpha = numberAttribute(node, "alpha", 0.01);
    return { value: (x) => (x < 0 ? alpha * x : x), slope: (x) => (x < 0 ? alpha : 1) };
  }),
  binary(
    "PRelu",
    (x, slope) => (x < 0 ? slope * x : x),
    (x, slope) => (x < 0 ? slope : 1),
    (x) => (x < 0 ? x : 0),
    {
      infer(node, context) {
        const x = inputShape(context, 0);
        const slope = inputShape(context, 1);
        // Up to operator set 6 slopes were those of the second axis, wherever that stood.
        if (context.opset < 7 && slope !== undefined && elementCount(slope) > 1) {
          fail(
            node,
            `slopes by channel, as in operator set ${context.opset}, are not understood: convert the model to 7 or later`,
          );
        }
        // The slope broadcasts to x, never the other way round.
        if (x !== undefined && slope !== undefined && !sameShape(broadcastShape(node, [x, slope]), x)) {
          fail(node, `a slope of shape ${showShape(slope)} does not broadcast to ${showShape(x)}`);
        }
        return [{ type: elementType(context, 0), shape: x }];
      },
    },
  ),
  pointwiseWith("Elu", (node) => exponentialLinear(1, numberAttribute(node, "alpha", 1), 1)),
  pointwiseWith("Celu", (node) => {
    const alpha = numberAttribute(node, "alpha", 1);
    return exponentialLinear(1, alpha, alpha);
  }),
  pointwiseWith("Selu", (node) =>
    // Defaults of the specification, rounded to float32 there (arXiv:1706.02515).
    exponentialLinear(numberAttribute(node, "gamma", 1.0507010221481323), numberAttribute(node, "alpha", 1.6732631921768188), 1),
  ),
  pointwise("Sigmoid", sigmoid, (_x, y) => y * (1 - y)),
  pointwiseWith("HardSigmoid", (node) => hardSigmoid(numberAttribute(node, "alpha", 0.2), numberAttribute(node, "beta", 0.5))),
  pointwise(
    "HardSwish",
    (x) => x * Math.max(0, Math.min(1, x / 6 + 0.5)),
    (x) => (x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5),
  ),
  pointwise(
    "Mish",
    (x) => x * Math.tanh(softplus(x)),
    (x) => {
      const t = Math.tanh(softplus(x));
      return t + x * (1 - t * t) * sigmoid(x);
    },
  ),
  pointwise("Softplus", softplus, sigmoid),
  pointwise(
    "Softsign",
    (x) => x / (1 + Math.abs(x)),
    (x) => 1 / (1 + Math.abs(x)) ** 2,
  ),
  pointwiseWith("Gelu", (node) => {
    const approximate = stringAttribute(node, "approximate", "none");
    if (approximate === "none") return exactGelu;
    return approximate === "tanh" ? tanhGelu : fail(node, `approximate is "${approximate}"; it is none or tanh`);
  }),
  pointwiseWith("Swish", (node) => swish(numberAttribute(node, "alpha", 1))),
  pointwiseWith("ThresholdedRelu", (node) => {
    const alpha = numberAttribute(node, "alpha", 1);
    return { value: (x) => (x > alpha ? x : 0), slope: (x) => (x > alpha ? 1 : 0) };
  }),
  pointwiseWith("Shrink", (node) => {
    const lambda = numberAttribute(node, "lambd", 0.5);
    const bias = numberAttribute(node, "bias", 0);
    return {
      value: (x) => (x < -lambda ? x + bias : x > lambda ? x - bias : 0),
      slope: (x) => (x < -lambda || x > lambda ? 1 : 0),
    };
  }),
  pointwiseWith("Clip", clip, { tangent: clipTangent }),
];
