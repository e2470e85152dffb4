/** @file Ranks of products of weight matrices in a probe: what decay makes of factors that follow each other. */
import { spectrumMeasures } from "../../dynamics/measures/rank";
import { estimate } from "../../dynamics/measures/statistics";
import type { Recording, Trajectory } from "../../dynamics/trajectory";
import type { Graph } from "../../graph/graph";
import { Matrix } from "../../numerics/matrix";
import { compressRows } from "../../numerics/qr";
import { singularValues } from "../../numerics/rank";
import { measured } from "../../probe/record/make";
import type { RecordedProduct } from "../../probe/record/record";
import { type FactorMatrix, matrixPairs } from "../../rules/contractions";
import type { ParameterValues } from "../../symmetry/symmetry";

/** Products with more units between their factors cost more than their training. */
const LARGEST = 128;
/** And so many of them are measured at most. */
const MOST = 24;

/** The products of a model in the runs of one setting, at the first and the last recorded finite state. `normal`: its normal form. */
export function productsOf(normal: Graph, runs: readonly Trajectory[]): RecordedProduct[] {
  return matrixPairs(normal)
    .slice(0, MOST)
    .flatMap(({ first, second }): RecordedProduct[] => {
      const spectra = (state: (run: Trajectory) => Recording | undefined) =>
        runs.flatMap((run) => {
          const values = spectrum(normal, first, second, state(run)?.parameters);
          return values ? [values] : [];
        });
      const [start, end] = [spectra((r) => r.recordings[0]), spectra(lastFinite)];
      const full = end[0]?.length ?? 0;
      if (full === 0) return [];
      const rank = (list: readonly Float64Array[]) => measured(estimate(list.map((s) => spectrumMeasures(s).effectiveRank)));
      const values = (list: readonly Float64Array[]) =>
        Array.from({ length: full }, (_, k) => measured(estimate(list.map((s) => s[k] ?? Number.NaN))));
      return [
        {
          first: first.parameter,
          second: second.parameter,
          full,
          start: rank(start),
          end: rank(end),
          spectrum: { start: values(start), end: values(end) },
        },
      ];
    });
}

function lastFinite(run: Trajectory): Recording | undefined {
  return run.recordings.findLast((r) => run.divergedAt === undefined || r.step < run.divergedAt);
}

/** Singular values of a product, at most as many as its factors allow; undefined where it is too large or does not fit. */
function spectrum(
  graph: Graph,
  first: FactorMatrix,
  second: FactorMatrix,
  parameters: ParameterValues | undefined,
): Float64Array | undefined {
  const [a, b] = [inToOut(graph, first, parameters), inToOut(graph, second, parameters)];
  if (!a || !b || a.columns !== b.rows || Math.min(a.rows, a.columns, b.columns) > LARGEST) return undefined;
  // The product's singular values are those of the product of both triangular factors.
  const left = a.rows > a.columns ? compressRows(a) : a;
  const right = b.columns > b.rows ? compressRows(b.transpose()).transpose() : b;
  if (Math.min(left.rows, right.columns) > 2 * LARGEST) return undefined;
  const values = singularValues(left.multiply(right));
  return values.subarray(0, Math.min(a.rows, a.columns, b.columns));
}

/** A matrix as inputs x outputs. */
function inToOut(graph: Graph, { parameter, rows }: FactorMatrix, parameters: ParameterValues | undefined): Matrix | undefined {
  const [shape, data] = [graph.parameters.get(parameter)?.shape, parameters?.get(parameter)];
  if (!shape || !data || shape.length !== 2 || data.some((x) => !Number.isFinite(x))) return undefined;
  const matrix = new Matrix(shape[0]!, shape[1]!, data);
  return rows === "in" ? matrix : matrix.transpose();
}
