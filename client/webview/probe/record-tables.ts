/** @file Tables of a finished probe. */
import { type ProbeRecord, typesetGroup } from "../../../server/protocol";
import { t } from "../text";
import { count, estimated, small } from "./numbers";
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
      { text: typesetGroup(m.symmetry.group), quiet: m.symmetry.kind },
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

/** The mirror that each symmetry is nearest to at the end, and whether training goes there. */
export function mirrors({ settings }: ProbeRecord): TableView | undefined {
  const rows = settings.flatMap((s) =>
    s.symmetries.flatMap((m): Cell[][] => {
      if (!m.collapse) return [];
      const { distance, exponent, exponentError, lossIncrease, margin, mirror } = m.collapse;
      const prefers = margin === null || margin > 1;
      const falls = exponent !== null && exponent + 2 * (exponentError ?? 0) < 0;
      return [
        [
          {
            text: placeOf(m),
            code: true,
            quiet: settings.length > 1 ? `${s.name}, ${typesetGroup(m.symmetry.group)}` : typesetGroup(m.symmetry.group),
          },
          { text: mirror },
          { text: small(distance), number: true },
          { text: small(lossIncrease), number: true },
          { text: margin === null ? "∞" : small(margin), number: true, ...(prefers ? { tone: "warning" as const } : {}) },
          {
            text: estimated({ value: exponent ?? Number.NaN, error: exponentError }),
            number: true,
            ...(falls ? { tone: "warning" as const } : {}),
          },
        ],
      ];
    }),
  );
  if (rows.length === 0) return undefined;
  return {
    id: "mirrors",
    title: t("Nearest mirrors"),
    about: t(
      "Margin: above 1 the regularised loss prefers the mirror (2309.16932). Exponent: below 0 the noise of mini-batches pulls onto it (2306.04251). First replica.",
    ),
    head: [t("acts on"), t("mirror"), t("distance"), t("rise of the loss on it"), t("margin"), t("exponent per step")],
    rows,
  };
}

/** Critical values of a sweep. */
export function criticalRates({ sweep }: ProbeRecord): TableView | undefined {
  const rows = (sweep?.symmetries ?? []).flatMap((s): Cell[][] => {
    if (!s.fit) return [];
    const { criticalRate, points, residual } = s.fit;
    return [
      [
        { text: placeOf(s), code: true, quiet: typesetGroup(s.symmetry.group) },
        { text: criticalRate.value === null ? t("does not fall") : text(criticalRate), number: true },
        { text: residual === null ? "" : small(residual), number: true },
        { text: String(points), number: true },
      ],
    ];
  });
  if (rows.length === 0) return undefined;
  return {
    id: "critical",
    title: t("Critical learning rate"),
    about: t(
      "Where |w|² = a − b η², fitted to the sweep, vanishes: beyond it the symmetry is expected to stay unbroken (1710.06096; heuristic).",
    ),
    head: [t("acts on"), t("critical rate"), t("residual of the fit"), t("points")],
    rows,
  };
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
  const { alignment, dormant, landscape, noiseScale, replicaDistance } = setting;
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
    hessian(setting),
    one(
      t("barrier between replicas"),
      landscape?.barrier?.raw,
      t("loss at the midpoint over the mean of both ends; 1: no barrier"),
    ),
    one(t("the same after alignment"), landscape?.barrier?.aligned, t("symmetries of the model matched first (2209.04836)")),
    one(t("gradient noise scale"), noiseScale, t("examples; batches far below it are mostly noise (1812.06162)")),
  ];
  return measures.filter((m) => m !== undefined);
}

/** Flat directions of the loss against those that symmetries explain. */
function hessian({ landscape }: Setting): Measure | undefined {
  if (!landscape?.hessian) return undefined;
  const { error, exact, expected, nearZero } = landscape.hessian;
  return {
    what: t("Hessian eigenvalues near zero"),
    value: exact ? count(nearZero) : estimated({ value: nearZero, error }),
    meaning: t("{0} are symmetries of the function; more are flat by themselves", count(expected)),
  };
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
