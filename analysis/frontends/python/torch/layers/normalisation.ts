/** @file Normalisation layers. */
import { notUnderstood } from "../../evaluator/errors";
import { intOf, is, numberOf } from "../../values/inspect";
import { float, int, tuple } from "../../values/make";
import type { ClassValue, Value } from "../../values/value";
import { batchNorm, groupNorm, instanceNorm, layerNorm, rmsNorm } from "../operations/normalisation";
import { functional } from "./basic";
import { layerClass, type LayerContext, ONES, ZEROS } from "./layer";

function initBatchNorm(c: LayerContext, affine: boolean, track: boolean): void {
  const n = c.int("num_features");
  c.keep("num_features eps momentum affine track_running_stats", {
    eps: float(1e-5),
    momentum: float(0.1),
    affine,
    track_running_stats: track,
  });
  if (c.bool("affine", affine)) {
    c.parameter("weight", [n], ONES);
    c.parameter("bias", [n], ZEROS);
  } else {
    c.put("weight", null);
    c.put("bias", null);
  }
  if (c.bool("track_running_stats", track)) {
    c.buffer("running_mean", [n]);
    c.buffer("running_var", [n]);
    c.buffer("num_batches_tracked", [], "int64");
  } else {
    c.put("running_mean", null);
    c.put("running_var", null);
    c.put("num_batches_tracked", null);
  }
}

function forwardBatchNorm(c: LayerContext, rank: number | undefined): Value {
  const training = c.self.attributes.get("training");
  return batchNorm(c.interpreter, c.tensor("input"), {
    channels: intOf(c.attribute("num_features")) ?? 0,
    weight: c.weight("weight"),
    bias: c.weight("bias"),
    mean: c.weight("running_mean"),
    variance: c.weight("running_var"),
    training: typeof training === "boolean" ? training : c.interpreter.training,
    momentum: numberOf(c.attribute("momentum")) ?? 0.1,
    eps: numberOf(c.attribute("eps")) ?? 1e-5,
    ...(rank !== undefined ? { rank } : {}),
  });
}

function normalisedShape(c: LayerContext): number[] {
  const v = c.attribute("normalized_shape");
  return is(v, "tuple") || is(v, "list")
    ? v.items.map((i) => intOf(i) ?? notUnderstood("the normalised shape is not known"))
    : [];
}

/** Normalisations of torch.nn; `module` is torch.nn.Module. */
export function normalisationLayers(module: ClassValue): ClassValue[] {
  const out: ClassValue[] = [];
  const add = (name: string, spec: Parameters<typeof layerClass>[2]): ClassValue => {
    const cls = layerClass(module, name, spec);
    out.push(cls);
    return cls;
  };
  const batchParams = "num_features eps momentum affine track_running_stats device dtype";
  const common = add("_BatchNorm", {
    params: batchParams,
    init: (c) => initBatchNorm(c, true, true),
    forward: (c) => forwardBatchNorm(c, undefined),
  });
  for (const [name, rank] of [
    ["BatchNorm1d", undefined],
    ["BatchNorm2d", 4],
    ["BatchNorm3d", 5],
    ["SyncBatchNorm", undefined],
  ] as const) {
    const cls = add(name, {
      params: batchParams,
      base: common,
      init: (c) => initBatchNorm(c, true, true),
      forward: (c) => forwardBatchNorm(c, rank),
    });
    if (name === "SyncBatchNorm") {
      cls.attributes.set("convert_sync_batchnorm", {
        k: "wrapper",
        form: "static",
        callee: { k: "native", name: "convert_sync_batchnorm", call: (_, a) => a.positional[0] ?? null },
      });
    }
  }
  const instanceCommon = add("_InstanceNorm", {
    params: batchParams,
    init: (c) => initBatchNorm(c, false, false),
    forward: (c) => c.value("input"),
  });
  for (const spatial of [1, 2, 3]) {
    add(`InstanceNorm${spatial}d`, {
      params: batchParams,
      base: instanceCommon,
      init: (c) => initBatchNorm(c, false, false),
      forward: (c) =>
        instanceNorm(
          c.interpreter,
          c.tensor("input"),
          c.weight("weight"),
          c.weight("bias"),
          numberOf(c.attribute("eps")) ?? 1e-5,
          spatial + 2,
        ),
    });
  }
  add("LayerNorm", {
    params: "normalized_shape eps elementwise_affine bias device dtype",
    init(c) {
      const shape = c.ints("normalized_shape") ?? [];
      c.put("normalized_shape", tuple(shape.map(int)));
      c.keep("eps elementwise_affine", { eps: float(1e-5), elementwise_affine: true });
      if (c.bool("elementwise_affine", true)) {
        c.parameter("weight", shape, ONES);
        if (c.bool("bias", true)) c.parameter("bias", shape, ZEROS);
        else c.put("bias", null);
      } else {
        c.put("weight", null);
        c.put("bias", null);
      }
    },
    forward: (c) =>
      layerNorm(
        c.interpreter,
        c.tensor("input"),
        normalisedShape(c),
        c.weight("weight"),
        c.weight("bias"),
        numberOf(c.attribute("eps")) ?? 1e-5,
      ),
  });
  add("RMSNorm", {
    params: "normalized_shape eps elementwise_affine device dtype",
    init(c) {
      const shape = c.ints("normalized_shape") ?? [];
      c.put("normalized_shape", tuple(shape.map(int)));
      c.keep("eps elementwise_affine", { elementwise_affine: true });
      if (c.bool("elementwise_affine", true)) c.parameter("weight", shape, ONES);
      else c.put("weight", null);
    },
    forward: (c) =>
      rmsNorm(
        c.interpreter,
        c.tensor("input"),
        normalisedShape(c),
        c.weight("weight"),
        numberOf(c.attribute("eps")) ?? 1.1920929e-7,
      ),
  });
  add("GroupNorm", {
    params: "num_groups num_channels eps affine device dtype",
    init(c) {
      const n = c.int("num_channels");
      c.keep("num_groups num_channels eps affine", { eps: float(1e-5), affine: true });
      if (c.bool("affine", true)) {
        c.parameter("weight", [n], ONES);
        c.parameter("bias", [n], ZEROS);
      } else {
        c.put("weight", null);
        c.put("bias", null);
      }
    },
    forward(c) {
      const x = c.tensor("input");
      const channels = intOf(c.attribute("num_channels")) ?? 1;
      if (x.shape === undefined) c.builder.needShape(x, { minimumRank: 3, sizes: new Map([[1, channels]]) });
      return groupNorm(
        c.interpreter,
        x,
        intOf(c.attribute("num_groups")) ?? 1,
        c.weight("weight"),
        c.weight("bias"),
        numberOf(c.attribute("eps")) ?? 1e-5,
      );
    },
  });
  add("LocalResponseNorm", {
    params: "size alpha beta k",
    init: (c) => c.keep("size alpha beta k", { alpha: float(1e-4), beta: float(0.75), k: float(1) }),
    forward: (c) => functional(c, "local_response_norm", "size alpha beta k"),
  });
  return out;
}
