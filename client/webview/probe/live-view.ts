/** @file A running probe as the panel shows it. */
import { typesetGroup } from "../../../server/protocol";
import { t } from "../text";
import { mostMoved } from "./lines";
import type { LiveProbe } from "./live";
import { count, plural } from "./numbers";
import type { ChartView, Line, PanelView } from "./view";

/** What is known so far, drawn like the finished probe's record will be. */
export function liveView(live: LiveProbe): PanelView {
  const charts = [losses(live), degrees(live), bySymmetry(live), imbalances(live), ranks(live), units(live)];
  const trained = live.parameters > 0 ? [t("{0} parameters", count(live.parameters))] : [];
  return {
    title: live.model,
    conditions: [
      ...(live.twin === undefined
        ? trained
        : [t("Its twin with {0} parameters is trained: {1}", count(live.parameters), live.twin)]),
      ...(live.device === undefined ? [] : [t("on {0}", live.device)]),
      ...(live.replicas > 0 ? [plural(live.replicas, "replica")] : []),
    ],
    verdicts: [],
    charts: charts.filter((c) => c !== undefined),
    maps: [],
    tables: [],
    notes: live.notes,
  };
}

function losses({ losses: runs }: LiveProbe): ChartView | undefined {
  if (runs.size === 0) return undefined;
  const several = runs.size > 1;
  const lines = [...runs].flatMap(([setting, replicas]) => {
    if (several) return [{ name: setting, ...mean([...replicas.values()]) }];
    const sorted = [...replicas].sort(([a], [b]) => a - b);
    return sorted.map(([replica, { x, y }]): Line => ({ name: t("replica {0}", replica + 1), x, y }));
  });
  return {
    id: "loss",
    title: t("Loss"),
    about: t("Mini-batch loss, as it comes in."),
    x: t("step"),
    y: t("loss"),
    logarithmic: lines.some((l) => l.y.length > 0) && lines.every((l) => l.y.every((v) => v > 0 || Number.isNaN(v))),
    lines,
  };
}

/** A chart over steps, where there is anything to draw. */
function overSteps(chart: Omit<ChartView, "x">): ChartView | undefined {
  return chart.lines.length > 0 ? { ...chart, x: t("step"), lines: mostMoved(chart.lines) } : undefined;
}

function degrees({ measures }: LiveProbe): ChartView | undefined {
  return overSteps({
    id: "degree",
    title: t("Degree of symmetry breaking"),
    about: t("Mean order parameter of permutations, signs and scalings: 0 fully symmetric, 1 as far from it as unrelated units."),
    y: t("degree"),
    include: [0, 1],
    lines: byName(measures, (m) => [{ name: m.setting, value: m.degree }]),
  });
}

function bySymmetry(live: LiveProbe): ChartView | undefined {
  return overSteps({
    id: "order",
    title: t("Order parameters"),
    about: t("Distance of the weights from each symmetry's nearest mirror, over the layer's scale: 0 where it is restored."),
    y: t("weakest mirror"),
    include: [0],
    lines: byName(live.measures, (m) =>
      m.symmetries.map((s) => ({
        name: prefixed(live, m, `${typesetGroup(s.group)} ${s.parameters[0] ?? ""}`),
        value: s.weakest,
      })),
    ),
  });
}

function imbalances(live: LiveProbe): ChartView | undefined {
  return overSteps({
    id: "imbalance",
    title: t("Charges of rescalings"),
    about: t("Imbalance between the two sides of each rescaling; gradient flow conserves the charge behind it."),
    y: t("imbalance"),
    include: [0],
    lines: byName(live.measures, (m) =>
      m.symmetries.map((s) => ({
        name: prefixed(live, m, s.parameters[0] ?? typesetGroup(s.group)),
        value: s.imbalance ?? null,
      })),
    ),
  });
}

function ranks(live: LiveProbe): ChartView | undefined {
  return overSteps({
    id: "ranks",
    title: t("Effective rank"),
    about: t("Effective rank of each weight matrix; in brackets the largest that it can be."),
    y: t("effective rank"),
    include: [0],
    lines: byName(live.measures, (m) =>
      m.ranks.map((r) => ({ name: prefixed(live, m, `${r.parameter} (${r.full})`), value: r.effective })),
    ),
  });
}

function units({ measures }: LiveProbe): ChartView | undefined {
  return overSteps({
    id: "dormant",
    title: t("Dormant units"),
    about: t("Share of units whose activity is at most a tenth of their layer's mean (2302.12902)."),
    y: t("share"),
    include: [0, 1],
    lines: byName(measures, (m) => [{ name: m.setting, value: m.dormant }]),
  });
}

/** Names say their setting where there are several. */
function prefixed({ settings }: LiveProbe, { setting }: { readonly setting: string }, name: string): string {
  return settings.length > 1 ? `${setting}: ${name}` : name;
}

/** One line per name: at each step the mean over the replicas that are there already, with its standard error. */
function byName(
  measures: LiveProbe["measures"],
  of: (m: LiveProbe["measures"][number]) => readonly { readonly name: string; readonly value: number | null }[],
): Line[] {
  const found = new Map<string, Map<number, number[]>>();
  for (const m of measures) {
    for (const { name, value } of of(m)) {
      if (value === null || !Number.isFinite(value)) continue;
      const steps = found.get(name) ?? new Map<number, number[]>();
      found.set(name, steps);
      steps.set(m.step, [...(steps.get(m.step) ?? []), value]);
    }
  }
  return [...found].map(([name, steps]) => ({ name, ...courseOf(steps) }));
}

function mean(
  runs: readonly { readonly x: readonly number[]; readonly y: readonly number[] }[],
): Pick<Line, "x" | "y" | "error"> {
  const steps = new Map<number, number[]>();
  for (const { x, y } of runs) x.forEach((step, i) => steps.set(step, [...(steps.get(step) ?? []), y[i]!]));
  return courseOf(steps);
}

/** Means and standard errors of the values at each step. */
function courseOf(steps: ReadonlyMap<number, readonly number[]>): Required<Pick<Line, "x" | "y" | "error">> {
  const sorted = [...steps].sort(([a], [b]) => a - b);
  return {
    x: sorted.map(([step]) => step),
    y: sorted.map(([, values]) => average(values)),
    error: sorted.map(([, values]) => standardError(values)),
  };
}

function average(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** s / sqrt(n); NaN for fewer than two values. */
function standardError(values: readonly number[]): number {
  const n = values.length;
  if (n < 2) return Number.NaN;
  const centre = average(values);
  return Math.sqrt(values.reduce((sum, v) => sum + (v - centre) ** 2, 0) / (n - 1) / n);
}
