/** @file The mirror of a symmetry that the weights are closest to, and what it projects: where a collapse would happen first. */
import type { ParameterValues, Symmetry } from "../../symmetry/symmetry";
import { unitSets, unitVectors, pairDistances, type UnitSet } from "../gauge/units";
import type { MirrorLike } from "./collapse";

/** A mirror with its name. */
export interface NamedMirror extends MirrorLike {
  /** What is lost on it. */
  readonly name: string;
}

/**
 * The mirror of a permutation, sign or rescaling symmetry with the smallest order parameter relative to its layer, at weights in
 * the balanced gauge: of a permutation the exchange of its two most similar living units, of signs and rescalings the factor
 * with the smallest weights. What it projects is of whatever weights it is given. Undefined for other symmetries.
 */
export function weakestMirror(symmetry: Symmetry, balanced: ParameterValues): NamedMirror | undefined {
  if (symmetry.units) return weakestExchange(symmetry, balanced);
  if (symmetry.diagonal && (symmetry.kind === "sign" || symmetry.kind === "rescaling")) return weakestFactor(symmetry, balanced);
  return undefined;
}

function weakestExchange(symmetry: Symmetry, balanced: ParameterValues): NamedMirror | undefined {
  let best: { readonly set: UnitSet; readonly i: number; readonly j: number; readonly size: number } | undefined;
  for (const set of unitSets(symmetry)) {
    // Exchanging recurrent units moves features as well: their difference is no plain one.
    if (set.crossed.size > 0) continue;
    const z = unitVectors(set, balanced);
    const squares = Float64Array.from({ length: set.size }, (_, i) => z.row(i).reduce((s, x) => s + x * x, 0));
    const largest = squares.reduce((a, b) => Math.max(a, b), 0);
    const distances = pairDistances(set, balanced);
    for (let i = 0; i < set.size; i++) {
      for (let j = i + 1; j < set.size; j++) {
        // Two dead units are equal without being a mirror that matters.
        if (Math.min(squares[i]!, squares[j]!) < 1e-3 * largest) continue;
        const size = distances.get(i, j) / (squares[i]! + squares[j]!);
        if (!best || size < best.size) best = { set, i, j, size };
      }
    }
  }
  if (!best) return undefined;
  const { set, i, j } = best;
  return {
    name: `the difference of units ${i} and ${j}`,
    project(weights) {
      const out = new Map<string, Float64Array>();
      for (const { parameter, features, flat } of set.blocks) {
        const w = weights.get(parameter);
        if (!w) continue;
        const part = out.get(parameter) ?? new Float64Array(w.length);
        out.set(parameter, part);
        for (let k = 0; k < features; k++) {
          const [a, b] = [flat[i * features + k]!, flat[j * features + k]!];
          const half = (w[a]! - w[b]!) / 2;
          part[a]! += half;
          part[b]! -= half;
        }
      }
      return out;
    },
  };
}

function weakestFactor(symmetry: Symmetry, balanced: ParameterValues): NamedMirror | undefined {
  const entries = symmetry.diagonal!();
  const squares = new Map<number, number>();
  for (const { parameter, flat, index } of entries) {
    const w = balanced.get(parameter);
    if (w) for (let k = 0; k < flat.length; k++) squares.set(index[k]!, (squares.get(index[k]!) ?? 0) + w[flat[k]!]! ** 2);
  }
  const alive = [...squares].filter(([, s]) => s > 0).sort((a, b) => a[1] - b[1]);
  const factor = alive[0]?.[0];
  // One factor for a whole layer is no single unit: putting it onto its mirror switches the layer off.
  if (factor === undefined) return undefined;
  return {
    name: squares.size > 1 ? `unit ${factor}` : "the whole layer",
    project(weights) {
      const out = new Map<string, Float64Array>();
      for (const { parameter, flat, index } of entries) {
        const w = weights.get(parameter);
        if (!w) continue;
        const part = out.get(parameter) ?? new Float64Array(w.length);
        out.set(parameter, part);
        for (let k = 0; k < flat.length; k++) if (index[k] === factor) part[flat[k]!] = w[flat[k]!]!;
      }
      return out;
    },
  };
}
