/** @file What can be measured on each state while a run goes on: only what takes milliseconds. */
import type { ParameterValues, Symmetry } from "../../symmetry/symmetry";
import { Balancer } from "../gauge/balance";
import { independent, MirrorChains, type OrderParameters } from "../measures/breaking";
import { chargeCourse } from "../measures/charges";
import { spectrumMeasures } from "../measures/rank";
import type { RunSettings } from "../measures/settings";
import { dormantFraction, UnitMeter } from "../measures/units";
import { Matrix } from "../../numerics/matrix";
import { singularValues } from "../../numerics/rank";
import type { Shape } from "../../graph/tensor";
import type { Recording } from "../trajectory";

/** One symmetry at one state. */
export interface LiveSymmetry {
  readonly symmetry: Symmetry;
  /** Degree of breaking; NaN where there are no mirrors. */
  readonly degree: number;
  /** Order parameter of the weakest mirror relative to its layer's scale; NaN where there is none. */
  readonly weakest: number;
  readonly units?: number;
  readonly dead?: number;
  readonly distinct?: number;
  /** Mean |q| of a rescaling. */
  readonly imbalance?: number;
}

/** What one state says. */
export interface LiveState {
  /** Degree of breaking of the mirrors of all measured symmetries together; NaN without any. */
  readonly degree: number;
  readonly symmetries: readonly LiveSymmetry[];
  /** Effective rank of each weight matrix that is small enough. */
  readonly ranks: readonly { readonly parameter: string; readonly effective: number; readonly full: number }[];
  /** Share of dormant units over all layers; NaN where none were watched. */
  readonly dormant: number;
}

/** Matrices whose shorter side is longer than this have no live rank. */
const LARGEST_SIDE = 64;
/** And so many of them at most. */
const MOST_MATRICES = 6;

/** Measures states as they come, run by run. */
export class LiveMeter {
  private readonly chains: readonly MirrorChains[];
  private readonly meters: ReadonlyMap<Symmetry, UnitMeter>;
  private readonly balancer: Balancer;
  private readonly initial = new Map<string, readonly (readonly OrderParameters[])[]>();
  private readonly matrices: readonly { readonly name: string; readonly rows: number; readonly columns: number }[];

  /** @param shapes of the trainable parameters */
  constructor(symmetries: readonly Symmetry[], shapes: ReadonlyMap<string, Shape>) {
    this.chains = independent(symmetries)
      .map((s) => new MirrorChains(s, symmetries))
      .filter((c) => c.mirrors > 0);
    this.meters = new Map(symmetries.flatMap((s) => (s.units ? [[s, new UnitMeter(s, symmetries)] as const] : [])));
    this.balancer = new Balancer(symmetries);
    this.matrices = [...shapes]
      .flatMap(([name, shape]) => {
        const rows = shape[0] ?? 0;
        const columns = shape.slice(1).reduce((a, b) => a * b, 1);
        return shape.length >= 2 && Math.min(rows, columns) > 1 ? [{ name, rows, columns }] : [];
      })
      .filter((m) => Math.min(m.rows, m.columns) <= LARGEST_SIDE)
      .slice(0, MOST_MATRICES);
  }

  /** Measures one state of a run, its matrices' ranks on demand; the first state of each `run` is what later ones are compared with. */
  measure(run: string, recording: Recording, settings: RunSettings, ranks = true): LiveState {
    const { parameters } = recording;
    const balanced = this.balancer.apply(parameters);
    const orders = this.chains.map((c) => c.orderParameters(balanced));
    const initial = this.initial.get(run) ?? orders;
    this.initial.set(run, initial);
    let [sum, mirrors] = [0, 0];
    const found = this.chains.map((chain, i): LiveSymmetry => {
      const { symmetry } = chain;
      const own = orders[i]!;
      const degree = chain.degree(own, initial[i]!);
      sum += degree * chain.mirrors;
      mirrors += chain.mirrors;
      const weakest = own.reduce(
        (least, { values, scale }) => Math.min(least, scale > 0 ? (values.at(-1) ?? Infinity) / scale : 0),
        Infinity,
      );
      const units = this.meters.get(symmetry)?.measure(balanced);
      const total = (of: (u: NonNullable<typeof units>[number]) => number) => units!.reduce((n, u) => n + of(u), 0);
      const [charge] =
        symmetry.kind === "rescaling" ? (chargeCourse(symmetry, [{ ...bare(recording), parameters }], settings) ?? []) : [];
      return {
        symmetry,
        degree,
        weakest: Number.isFinite(weakest) ? weakest : Number.NaN,
        ...(units ? { units: total((u) => u.units), dead: total((u) => u.dead.length), distinct: total((u) => u.distinct) } : {}),
        ...(charge
          ? { imbalance: charge.balance.reduce((s, q) => s + Math.abs(q), 0) / Math.max(1, charge.balance.length) }
          : {}),
      };
    });
    const activity = [...recording.activity.values()];
    const watched = activity.reduce((n, a) => n + a.meanAbsolute.length, 0);
    const silent = activity.reduce((n, a) => n + dormantFraction(a) * a.meanAbsolute.length, 0);
    return {
      degree: mirrors > 0 ? sum / mirrors : Number.NaN,
      symmetries: found,
      ranks: (ranks ? this.matrices : []).flatMap(({ name, rows, columns }) => {
        const rank = matrixRank(parameters, name, rows, columns);
        return rank === undefined ? [] : [{ parameter: name, effective: rank, full: Math.min(rows, columns) }];
      }),
      dormant: watched > 0 ? silent / watched : Number.NaN,
    };
  }
}

/** A recording without its gradients. */
function bare({ step, learningRate, activity }: Recording): Omit<Recording, "parameters"> {
  return { step, learningRate, activity };
}

function matrixRank(parameters: ParameterValues, name: string, rows: number, columns: number): number | undefined {
  const data = parameters.get(name);
  if (!data || data.some((x) => !Number.isFinite(x))) return undefined;
  return spectrumMeasures(singularValues(new Matrix(rows, columns, data))).effectiveRank;
}
