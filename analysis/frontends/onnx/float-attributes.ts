/**
 * @file Attributes that ONNX wants as floats. A Graph's attributes are plain numbers; whether 1 is an integer or a float in
 * a file follows from the attribute's name, which means the same in all operators that have it.
 */

/** Single floats of the standard domain, of ai.onnx.ml and of ONNX Runtime's own operators. */
const FLOAT: ReadonlySet<string> = new Set([
  "alpha",
  "beta",
  "bias",
  "clip",
  "cubic_coeff_a",
  "decay_factor",
  "epsilon",
  "extrapolation_value",
  "gamma",
  "high",
  "lambd",
  "low",
  "mask_filter_value",
  "max",
  "mean",
  "min",
  "momentum",
  "norm_coefficient",
  "default_float",
  "ratio",
  "replaced_value_float",
  "scale",
  "seed",
  "softcap",
  "spatial_scale",
  "value_float",
]);

/** Lists of floats. */
const FLOATS: ReadonlySet<string> = new Set([
  "activation_alpha",
  "activation_beta",
  "base_values",
  "class_weights",
  "coefficients",
  "floats",
  "imputed_value_floats",
  "intercepts",
  "kernel_params",
  "keys_floats",
  "leaf_weights",
  "nodes_hitrates",
  "nodes_values",
  "offset",
  "prob_a",
  "prob_b",
  "rho",
  "scales",
  "support_vectors",
  "target_weights",
  "value_floats",
  "values_floats",
  "vectors",
]);

/** Lists of strings, for when they are empty. */
const STRINGS: ReadonlySet<string> = new Set([
  "activations",
  "keys_strings",
  "value_strings",
  "values_strings",
  "classlabels_strings",
]);

/** Whether a number of this name is a float in a file. */
export function isFloatAttribute(name: string, value: number): boolean {
  return !Number.isInteger(value) || FLOAT.has(name);
}

/** What a list of this name holds in a file. */
export function listKind(name: string, values: readonly (number | string)[]): "ints" | "floats" | "strings" {
  if (values.length === 0) return STRINGS.has(name) ? "strings" : FLOATS.has(name) ? "floats" : "ints";
  if (values.some((v) => typeof v === "string")) return "strings";
  // Scaler and Binarizer have float lists under names that are single floats elsewhere.
  const floats = FLOATS.has(name) || name === "scale" || name === "bias" || values.some((v) => !Number.isInteger(v));
  return floats ? "floats" : "ints";
}
