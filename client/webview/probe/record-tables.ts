/** @file Tables of a finished probe. */
import type { ProbeRecord } from "../../../server/protocol";
import { t } from "../text";
import { small } from "./numbers";
import { type Measured, type Measures, placeOf, type Setting, signed, text } from "./record-words";
import type { Cell, TableView, Tone } from "./view";

const MOST_ROWS = 60;

/** With and without each change. */
export function comparisons({ comparisons: all }: ProbeRecord): TableView | undefined {
  if (all.length === 0) return undefined;
  const cell = (m: Measured | undefined): Cell => (m ? { text: signed(m), number: true } : { text: t("not measured") });
  return {
    id: "comparisons",
    title: t("What the settings change"),
    about: t(
      "Differences of paired replicas (same initial weights, same order of the data), mean ± standard error. Below two standard errors nothing can be said.",
    ),
    head: [t("setting"), t("degree of breaking"), t("dead units"), t("distinct units"), t("loss"), t("accuracy")],
    rows: all.map((c) => [
      { text: c.setting, quiet: t("against {0}", c.against) },
      cell(c.degree),
      cell(c.deadUnits),
      cell(c.distinctUnits),
      cell(c.loss),
      cell(c.accuracy),
    ]),
  };
}

const TONES: Readonly<Record<string, Tone>> = { collapses: "bad", "stays symmetric": "warning", breaks: "good" };
const ORDER = ["collapses", "stays symmetric", "breaks"];

/** The symmetries of one setting, collapses first. */
export function symmetries(setting: Setting, { settings }: ProbeRecord): TableView {
  const rank = (m: Measures): number => (m.verdict ? ORDER.indexOf(m.verdict.kind) : ORDER.length);
  const sorted = setting.symmetries
    .filter((m) => m.degree !== undefined || m.ranks || m.verdict)
    .sort((a, b) => rank(a) - rank(b));
  const left = sorted.length - MOST_ROWS;
  return {
    id: `symmetries-${setting.name}`,
    title: settings.length > 1 ? t("Symmetries: {0}", setting.name) : t("Symmetries"),
    ...(left > 0 ? { about: t("{0} more are in the exported page.", left) } : {}),
    head: [t("acts on"), t("group"), t("verdict"), t("degree of breaking"), t("evidence")],
    rows: sorted.slice(0, MOST_ROWS).map((m) => [
      {
        text: m.symmetry.parameters[0] ?? "",
        code: true,
        ...(m.symmetry.parameters.length > 1 ? { quiet: t("{0} more", m.symmetry.parameters.length - 1) } : {}),
      },
      { text: m.symmetry.group, quiet: m.symmetry.kind },
      verdictCell(m),
      m.degree ? { text: text(m.degree), number: true } : { text: "" },
      { text: evidence(m).join("; ") },
    ]),
  };
}

function verdictCell({ verdict }: Measures): Cell {
  if (!verdict) return { text: "" };
  const when =
    verdict.step?.value === null || verdict.step === undefined ? "" : ` ${t("at step {0}", Math.round(verdict.step.value))}`;
  return { text: verdict.kind + when, quiet: t("driven by {0}", verdict.driver), ...toned(TONES[verdict.kind]) };
}

function toned(tone: Tone | undefined): { readonly tone?: Tone } {
  return tone === undefined ? {} : { tone };
}

function evidence({ ranks, units, verdict }: Measures): string[] {
  return [
    ...(verdict?.evidence.slice(1) ?? []),
    ...(units ? [t("{0} units: {1} dead, {2} distinct", units.units, text(units.dead), text(units.distinct))] : []),
    ...(ranks ? [t("effective rank {0} of {1}", text(ranks.effective), small(ranks.full))] : []),
  ];
}

/** Measures that need no chart: one column for each setting. */
export function other({ settings }: ProbeRecord): TableView | undefined {
  const found = new Map<string, { readonly meaning: string; readonly values: Map<string, string> }>();
  for (const setting of settings) {
    for (const { meaning, value, what } of measuresOf(setting)) {
      const row = found.get(what) ?? { meaning, values: new Map<string, string>() };
      found.set(what, row);
      row.values.set(setting.name, value);
    }
  }
  if (found.size === 0) return undefined;
  const columns = settings.length > 1 ? settings.map((s) => s.name) : [t("value")];
  return {
    id: "other",
    title: t("Other measures"),
    head: [t("measure"), ...columns, t("meaning")],
    rows: [...found].map(([what, { meaning, values }]) => [
      { text: what },
      ...settings.map((s): Cell => ({ text: values.get(s.name) ?? "", number: true })),
      { text: meaning },
    ]),
  };
}

interface Measure {
  readonly what: string;
  readonly value: string;
  readonly meaning: string;
}

function measuresOf(setting: Setting): Measure[] {
  const { alignment, dormant, noiseScale, replicaDistance } = setting;
  const measures: (Measure | undefined)[] = [
    one(t("replica distance"), replicaDistance.mean, t("mean over layers; smaller where replicas agree (2409.06402)")),
    one(t("distance of replicas"), alignment?.raw, t("|a − b|² / (|a|² + |b|²): 1 for unrelated weights")),
    one(
      t("the same modulo symmetry"),
      alignment?.remaining,
      t("after permutations, signs and scalings are matched (2209.04836)"),
    ),
    largest(
      t("largest violation of a gradient identity"),
      setting,
      (m) => m.charges?.identity,
      t("0 for exact symmetries; float32 leaves up to about 1e-4"),
    ),
    largest(
      t("charges against prediction"),
      setting,
      (m) => m.charges?.residual,
      t("largest residual of Q′ = (1 − ηλ)² Q + η² (|g out|² − |g in|²), exact for SGD (2012.04728)"),
    ),
    largest(
      t("kinetic symmetry breaking"),
      setting,
      (m) => m.charges?.drive,
      t("largest share of updates along symmetry directions: 0 for SGD (2105.02716)"),
    ),
    ...setting.symmetries.map((m) =>
      one(
        t("norm⁴ over equilibrium, {0}", placeOf(m)),
        m.norms?.equilibriumRatio,
        t("1 where decay and steps balance (2105.02716)"),
      ),
    ),
    ...dormant
      .filter(({ end }) => (end.value ?? 0) > 0)
      .map(({ end, layer }) => one(t("dormant units, {0}", layer), end, t("share with a score of at most 0.1 (2302.12902)"))),
    one(t("gradient noise scale"), noiseScale, t("examples; batches far below it are mostly noise (1812.06162)")),
  ];
  return measures.filter((m) => m !== undefined);
}

function one(what: string, measured: Measured | undefined, meaning: string): Measure | undefined {
  return measured && { what, value: text(measured), meaning };
}

/** The largest mean over the setting's symmetries. */
function largest(
  what: string,
  { symmetries: all }: Setting,
  of: (m: Measures) => Measured | undefined,
  meaning: string,
): Measure | undefined {
  const values = all.flatMap((m) => of(m)?.value ?? []);
  return values.length > 0 ? { what, value: small(Math.max(...values)), meaning } : undefined;
}
