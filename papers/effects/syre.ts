/** @file arXiv 2408.15495: with decay, syre (a frozen random anchor) keeps features from collapsing; without decay it does nothing. */
import { anchorDeviation } from "../../analysis/dynamics/closed-forms/syre";
import { featureSpectrum, spectrumMeasures } from "../../analysis/dynamics/measures/rank";
import { estimate, pairedDifference } from "../../analysis/dynamics/measures/statistics";
import type { Graph } from "../../analysis/graph/graph";
import { elementCount } from "../../analysis/graph/tensor";
import { Matrix } from "../../analysis/numerics/matrix";
import { Random } from "../../analysis/numerics/random";
import type { ProbeSetting } from "../../analysis/probe/types";
import type { ParameterValues } from "../../analysis/symmetry/symmetry";
import { type Effect, plusMinus } from "../effect";
import { type Laboratory, teacherTask } from "../laboratory";

type Anchor = NonNullable<ProbeSetting["reparametrisation"]>;

/** theta_0 ~ N(0, sigma_0^2) for every parameter, `strength` times the recommended deviation. */
function anchor(graph: Graph, strength: number): Anchor {
  const random = new Random(21);
  return new Map(
    [...graph.parameters.values()].map((p) => {
      const count = elementCount(p.shape);
      const fanIn = p.shape.length > 1 ? count / p.shape[0]! : count;
      return [p.name, { shift: random.normals(count, strength * anchorDeviation(fanIn)) }] as const;
    }),
  );
}

/** Numerical rank (singular values above a thousandth of the largest) of the centred hidden features on fixed inputs. */
function featureRank(parameters: ParameterValues, change: Anchor | undefined, x: Matrix): number {
  const value = (name: string) => parameters.get(name)!.map((v, i) => v + (change?.get(name)?.shift?.[i] ?? 0));
  const [w, b] = [value("fc1.weight"), value("fc1.bias")];
  const units = b.length;
  const h = x.multiply(new Matrix(units, x.columns, w).transpose());
  h.data.forEach((v, k) => {
    h.data[k] = Math.tanh(v + b[k % units]!);
  });
  return spectrumMeasures(featureSpectrum(h)).numericalRank;
}

export async function syre(lab: Laboratory): Promise<Effect> {
  const graph = await lab.graph("TanhStudent");
  const strengths = [0, 1, 10];
  const decays = [0, 0.02];
  const settings = decays.flatMap((weightDecay) =>
    strengths.map((strength) => ({
      name: `decay ${weightDecay}, ${strength === 0 ? "plain" : `syre ${strength} %`}`,
      decay: weightDecay,
      strength,
      training: { learningRate: 0.3, weightDecay, batchSize: 64 },
      ...(strength > 0 ? { reparametrisation: anchor(graph, strength) } : {}),
    })),
  );
  const { result, summary } = await lab.run({
    model: "TanhStudent",
    settings: settings.map(({ decay: _d, strength: _s, ...s }) => s),
    data: teacherTask(3),
    loss: "mse",
    steps: 6000,
    replicas: 6,
    recordings: 7,
  });
  const x = new Matrix(512, 8, new Random(5).normals(512 * 8));
  const ranks = settings.map((s) =>
    result.runs
      .filter((r) => r.setting === s.name)
      .map((r) => featureRank(r.recordings.at(-1)!.parameters, s.reparametrisation, x)),
  );
  const losses = summary.settings.map((s) => s.finalLoss);
  const index = (decay: number, strength: number) => settings.findIndex((s) => s.decay === decay && s.strength === strength);
  const [plain, light, strong] = strengths.map((s) => index(0.02, s)) as [number, number, number];
  const gain = pairedDifference(ranks[plain]!, ranks[light]!);
  const more = pairedDifference(ranks[plain]!, ranks[strong]!);
  const free = pairedDifference(ranks[index(0, 0)]!, ranks[index(0, 1)]!);
  const works = gain.value > 2 * gain.error && gain.value >= 1;
  return {
    id: "syre",
    paper: "Ziyin, Xu & Chuang 2024, 2408.15495",
    claim: "With weight decay, syre removes symmetric collapse: features regain rank",
    measure: "numerical rank of 24 centred hidden features (above a thousandth of the largest), decay 0.02, paired",
    result: `plain ${plusMinus(estimate(ranks[plain]!), 1)}, syre (1 %) ${plusMinus(gain, 1)} more, syre (10 %) ${plusMinus(more, 1)} more; without decay syre changes it by ${plusMinus(free, 1)}`,
    outcome:
      works && Math.abs(free.value) <= Math.max(1, 2 * free.error)
        ? "reproduced"
        : works || more.value > 2 * more.error
          ? "partly"
          : "not reproduced",
    remarks: [
      `The loss hardly changes: ${plusMinus(losses[plain]!, 4)} plain, ${plusMinus(losses[light]!, 4)} with syre at 1 %, ${plusMinus(losses[strong]!, 4)} at 10 %. Rank comes back through small components.`,
      "Anchors have 1 % (the paper's recommendation) and 10 % of the usual initial deviation 1/sqrt(fan-in); decay pulls towards the anchor. Six replicas, 6,000 steps, same initial weights and data in all settings.",
    ],
    charts: [
      {
        title: "Rank of hidden features with decay 0.02",
        xLabel: "anchor, % of the initial deviation",
        yLabel: "numerical rank of 24",
        series: decays.map((decay) => ({
          name: `decay ${decay}`,
          points: strengths.map((s) => {
            const e = estimate(ranks[index(decay, s)]!);
            return { x: s, y: e.value, error: e.error };
          }),
        })),
        yInclude: [0, 24],
      },
    ],
  };
}
