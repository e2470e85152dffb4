/** @file Weights of slices of parameters from those of the parameters, and back. */
import { cut, type ParameterSlice, type ParameterSlices, paste } from "../../graph/slices";
import type { ParameterValues } from "../symmetry";

/** The weights with slices in the place of the parameters that are cut; the arrays of slices are new. */
export function sliceWeights(
  weights: ParameterValues,
  slices: ParameterSlices,
): { readonly values: ParameterValues; readonly made: ReadonlySet<Float64Array> } {
  const values = new Map<string, Float64Array>(weights);
  const made = new Set<Float64Array>();
  for (const [name, slice] of slices) {
    const whole = weights.get(slice.whole.name);
    if (!whole) continue;
    values.delete(slice.whole.name);
    const own = cut(whole, slice);
    made.add(own);
    values.set(name, own);
  }
  return { values, made };
}

/**
 * Values of whole parameters from those of slices; what no slice has is as `rest` says: the weights where values take the place
 * of them, zero for directions.
 * @param owned arrays that may be overwritten
 */
export function joinWeights(
  values: ParameterValues,
  slices: ParameterSlices,
  rest: (parameter: ParameterSlice["whole"]) => Float64Array,
  owned?: ReadonlySet<Float64Array>,
): ParameterValues {
  const out = new Map<string, Float64Array>();
  for (const [name, own] of values) {
    const slice = slices.get(name);
    if (!slice) {
      out.set(name, own);
      continue;
    }
    let whole = out.get(slice.whole.name);
    if (!whole) {
      const before = rest(slice.whole);
      whole = owned?.has(before) ? before : before.slice();
      out.set(slice.whole.name, whole);
    }
    paste(whole, slice, own);
  }
  return out;
}
