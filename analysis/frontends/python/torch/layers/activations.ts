/** @file Activation layers and losses. */
import { is } from "../../values/inspect";
import { float, int } from "../../values/make";
import type { ClassValue, TensorValue, Value } from "../../values/value";
import { operations } from "../operations/index";
import { prelu } from "../operations/pointwise";
import { functional } from "./basic";
import { layerClass, type LayerContext } from "./layer";

/** Class -> operation, constructor parameters, their defaults. */
const ACTIVATIONS: readonly (readonly [string, string, string, Readonly<Record<string, Value>>])[] = [
  ["ReLU", "relu", "inplace", {}],
  ["ReLU6", "relu6", "inplace", {}],
  ["SiLU", "silu", "inplace", {}],
  ["Mish", "mish", "inplace", {}],
  ["Hardswish", "hardswish", "inplace", {}],
  ["Hardsigmoid", "hardsigmoid", "inplace", {}],
  ["SELU", "selu", "inplace", {}],
  ["ELU", "elu", "alpha inplace", { alpha: float(1) }],
  ["CELU", "celu", "alpha inplace", { alpha: float(1) }],
  ["LeakyReLU", "leaky_relu", "negative_slope inplace", { negative_slope: float(0.01) }],
  ["RReLU", "rrelu", "lower upper inplace", {}],
  ["Hardtanh", "hardtanh", "min_val max_val inplace", { min_val: float(-1), max_val: float(1) }],
  ["Threshold", "threshold", "threshold value inplace", {}],
  ["GELU", "gelu", "approximate", { approximate: "none" }],
  ["Sigmoid", "sigmoid", "", {}],
  ["Tanh", "tanh", "", {}],
  ["Softsign", "softsign", "", {}],
  ["Softplus", "softplus", "beta threshold", { beta: int(1) }],
  ["LogSigmoid", "logsigmoid", "", {}],
  ["Tanhshrink", "tanhshrink", "", {}],
  ["Softshrink", "softshrink", "lambd", {}],
  ["Hardshrink", "hardshrink", "lambd", {}],
  ["Softmax", "softmax", "dim", {}],
  ["LogSoftmax", "log_softmax", "dim", {}],
  ["Softmin", "softmin", "dim", {}],
  ["GLU", "glu", "dim", { dim: int(-1) }],
];

const LOSSES: readonly (readonly [string, string])[] = [
  ["CrossEntropyLoss", "cross_entropy"],
  ["NLLLoss", "nll_loss"],
  ["MSELoss", "mse_loss"],
  ["L1Loss", "l1_loss"],
  ["SmoothL1Loss", "smooth_l1_loss"],
  ["HuberLoss", "huber_loss"],
  ["BCELoss", "binary_cross_entropy"],
  ["BCEWithLogitsLoss", "binary_cross_entropy_with_logits"],
  ["KLDivLoss", "kl_div"],
];

/** `inplace=True` changes the input too, which shows when it is read again. */
function writeBack(c: LayerContext, result: Value): Value {
  const x = c.value("input");
  if (c.attribute("inplace") !== true || !is(x, "tensor") || !is(result, "tensor")) return result;
  if (!x.parameter) c.builder.overwrite(x, result);
  return result;
}

/** Activations of torch.nn; `module` is torch.nn.Module. */
export function activationLayers(module: ClassValue): ClassValue[] {
  const out: ClassValue[] = [];
  for (const [name, operation, params, defaults] of ACTIVATIONS) {
    const attributes = params
      .split(" ")
      .filter((p) => p !== "" && p !== "inplace")
      .join(" ");
    out.push(
      layerClass(module, name, {
        params,
        init(c) {
          if (params !== "") c.keep(params, defaults);
        },
        forward: (c) => writeBack(c, functional(c, operation, attributes)),
      }),
    );
  }
  const softmax2d = layerClass(module, "Softmax2d", {
    params: "",
    forward(c) {
      c.put("dim", int(-3));
      return functional(c, "softmax", "dim");
    },
  });
  out.push(softmax2d);
  out.push(
    layerClass(module, "PReLU", {
      params: "num_parameters init device dtype",
      init(c) {
        c.keep("num_parameters", { num_parameters: int(1) });
        c.parameter("weight", [c.int("num_parameters", 1)], { scheme: "constant_", constant: c.number("init", 0.25) });
      },
      forward: (c) => prelu(c, c.tensor("input"), c.weight("weight") as TensorValue),
    }),
  );
  const loss = layerClass(module, "_Loss", { params: "reduction", forward: (c) => c.value("input") });
  out.push(loss);
  for (const [name, operation] of LOSSES) {
    out.push(
      layerClass(module, name, {
        base: loss,
        params:
          name === "SmoothL1Loss" || name === "HuberLoss"
            ? "reduction beta delta"
            : "weight size_average ignore_index reduce reduction label_smoothing",
        init: (c) => c.keep("reduction label_smoothing beta delta weight", { reduction: "mean" }),
        inputs: "input target",
        forward(c) {
          const callable = operations.callable(operation);
          const keywords = new Map<string, Value>([["reduction", c.attribute("reduction")]]);
          for (const n of ["beta", "delta"]) if (c.attribute(n) !== null) keywords.set(n, c.attribute(n));
          return callable!.call(c.interpreter, { positional: [c.value("input"), c.value("target")], keywords });
        },
      }),
    );
  }
  return out;
}
