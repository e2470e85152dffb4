/** @file A finished probe as the panel shows it: verdicts in words first, then charts, maps and tables. */
import type { ProbeRecord } from "../../../server/protocol";
import { t } from "../text";
import { mostMoved } from "./lines";
import type { LiveProbe } from "./live";
import { liveView } from "./live-view";
import { change, count, duration, estimated, plural, small } from "./numbers";
import type { Cell, ChartView, HeatMapView, Line, PanelView, Sentence, TableView, Tone } from "./view";

type Setting = ProbeRecord["settings"][number];
type Measured = Setting["degree"];
type Measures = Setting["symmetries"][number];
type Course = Setting["loss"];

/** Charts of the running probe that the record has nothing better for. */
const ALIVE = ["order", "ranks", "dormant"];
const MOST_MAPS = 4;
const MOST_ROWS = 60;

/** Everything that a record says; what was measured on the way and is not in the record comes from `live`. */
export function recordView(record: ProbeRecord, live: LiveProbe): PanelView {
  const own = charts(record);
  const alive = liveView(live).charts;
  const only = (id: string): readonly ChartView[] => (own.some((c) => c.id === id) ? [] : alive.filter((c) => c.id === id));
  return {
    title: record.model,
    conditions: conditions(record),
    verdicts: [...record.settings.flatMap((s) => verdicts(s, record)), ...differences(record)],
    charts: [...own, ...ALIVE.flatMap(only)],
    maps: maps(record),
    tables: [comparisons(record), ...record.settings.map((s) => symmetries(s, record)), other(record)].filter((x) => x !== undefined),
    notes: [
      ...record.notes,
      ...(record.twin?.notes ?? []),
      ...record.device.trials.map(({ outcome, provider, reason }) => `${provider}: ${outcome} (${reason})`),
    ],
  };
}

function conditions(record: ProbeRecord): string[] {
  const { data, device, loss, parameters, replicas, seconds, seed, settings, steps, twin } = record;
  const trained = twin
    ? t(
        "Its twin with {0} parameters was trained ({1}; the model has {2}).",
        count(parameters),
        twin.reason,
        count(twin.originalParameters),
      )
    : t("{0} parameters.", count(parameters));
  const [{ training }] = settings as [Setting];
  const own = `${training.optimiser}, ${t("learning rate")} ${small(training.learningRate)}, ${t("weight decay")} ${small(training.weightDecay)}, ${t("batch")} ${training.batchSize}`;
  return [
    trained,
    t("{0} steps of {1}, {2}.", count(steps), own, plural(replicas, "replica")),
    t("Data: {0}, {1} examples, {2}.", data.description, count(data.examples), loss),
    t(
      "Device: {0}, {1}, {2} batched, seed {3}, {4}.",
      device.device,
      plural(device.processes, "process"),
      plural(device.batched, "replica"),
      seed,
      record.cached ? t("from the cache") : duration(seconds),
    ),
  ];
}

function verdicts(setting: Setting, { settings }: ProbeRecord): Sentence[] {
  const told = setting.symmetries.flatMap((s) => (s.verdict ? [{ ...s, verdict: s.verdict }] : []));
  const name = settings.length > 1 ? `${setting.name}: ` : "";
  const kinds = ["collapses", "stays symmetric"] as const;
  const sentences = kinds.flatMap((kind): Sentence[] => {
    const found = told.filter((s) => s.verdict.kind === kind);
    if (found.length === 0) return [];
    const which = found.slice(0, 3).map((s) => `${s.symmetry.group} ${t("on")} ${placeOf(s)}`);
    const more = found.length > 3 ? `, ${t("{0} more", found.length - 3)}` : "";
    const drivers = [...new Set(found.map((s) => s.verdict.driver))].join(", ");
    const says =
      kind === "collapses"
        ? t("{0} of {1} symmetries collapse: {2}. Driven by {3}.", found.length, told.length, which.join(", ") + more, drivers)
        : t("{0} of {1} symmetries are never broken: {2}. Driven by {3}.", found.length, told.length, which.join(", ") + more, drivers);
    return [{ text: name + says, tone: kind === "collapses" ? "bad" : "warning" }];
  });
  if (sentences.length === 0 && told.length > 0) {
    sentences.push({ text: name + t("Nothing collapses: training breaks all {0} symmetries that were judged.", told.length), tone: "good" });
  }
  if (setting.diverged > 0) {
    sentences.unshift({ text: name + t("{0} of {1} replicas diverged.", setting.diverged, setting.replicas), tone: "bad" });
  }
  const accuracy = setting.accuracy ? `, ${t("accuracy")} ${text(setting.accuracy)}` : "";
  sentences.push({
    text:
      name +
      t("Degree of symmetry breaking {0} (0 fully symmetric, 1 all broken); final loss {1}{2}.", text(setting.degree), text(setting.finalLoss), accuracy),
  });
  return sentences;
}

/** What other settings change, in a sentence each. */
function differences({ comparisons: all }: ProbeRecord): Sentence[] {
  return all.map((c) => {
    const measures = [
      [t("degree of breaking"), c.degree],
      [t("dead units"), c.deadUnits],
      [t("distinct units"), c.distinctUnits],
      [t("loss"), c.loss],
    ] as const;
    const clear = measures.filter(([, m]) => significant(m)).map(([what, m]) => `${what} ${signed(m)}`);
    return {
      text:
        clear.length > 0
          ? t("{0} against {1}: {2}.", c.setting, c.against, clear.join(", "))
          : t("{0} against {1}: no measurable difference (all within two standard errors).", c.setting, c.against),
    };
  });
}

function charts(record: ProbeRecord): ChartView[] {
  const { settings } = record;
  const label = (s: Setting, name: string): string => (settings.length > 1 ? `${s.name}: ${name}` : name);
  const collect = (of: (m: Measures, s: Setting) => readonly Line[]): Line[] =>
    mostMoved(settings.flatMap((s) => s.symmetries.flatMap((m) => of(m, s))));
  const losses = settings.map((s) => lineOf(s.name, s.loss));
  const found: ChartView[] = [
    {
      id: "loss",
      title: t("Loss"),
      about: t("Mini-batch loss, mean over replicas with its standard error."),
      x: t("step"),
      y: t("loss"),
      logarithmic: losses.every((l) => l.y.every((v) => v > 0 || Number.isNaN(v))),
      lines: losses,
    },
    {
      id: "degree",
      title: t("Degree of symmetry breaking"),
      about: t("Share of broken mirrors, mean over replicas: 0 fully symmetric, 1 every mirror broken."),
      x: t("step"),
      y: t("degree"),
      include: [0, 1],
      lines: settings.map((s) => lineOf(s.name, s.degreeCourse)),
    },
    {
      id: "degrees",
      title: t("Degree of breaking by symmetry"),
      about: t("Degree of breaking of the symmetries that moved most."),
      x: t("step"),
      y: t("degree"),
      include: [0, 1],
      lines: collect((m, s) => (m.course ? [lineOf(label(s, nameOf(m)), m.course)] : [])),
    },
    {
      id: "imbalance",
      title: t("Charges of rescalings"),
      about: t("Imbalance |out² − in²| / (out² + in²) of each rescaling; decay shrinks it, gradient flow alone conserves its charge."),
      x: t("step"),
      y: t("imbalance"),
      include: [0],
      lines: collect((m, s) => (m.symmetry.kind === "rescaling" && m.charges ? [lineOf(label(s, nameOf(m)), m.charges.imbalance)] : [])),
    },
    {
      id: "ranks",
      title: t("Effective rank"),
      about: t("Effective rank of products of weights with nothing nonlinear between; in brackets the largest that it can be."),
      x: t("step"),
      y: t("effective rank"),
      include: [0],
      lines: collect((m, s) => (m.ranks ? [lineOf(label(s, `${placeOf(m)} (${m.ranks.full})`), m.ranks.course)] : [])),
    },
    {
      id: "rates",
      title: t("Effective learning rate"),
      about: t("Learning rate over the squared norm of scale-invariant weights: what their direction sees (2105.02716)."),
      x: t("step"),
      y: "η / r²",
      logarithmic: true,
      lines: collect((m, s) => (m.norms ? [lineOf(label(s, nameOf(m)), m.norms.effectiveRate)] : [])),
    },
    ...settings.flatMap((s) =>
      s.symmetries
        .filter((m) => m.ranks && m.ranks.spectrum.end.length > 1)
        .slice(0, 2)
        .map((m): ChartView => {
          const { end, start } = m.ranks!.spectrum;
          return {
            id: `spectrum-${s.name}-${m.symmetry.id}`,
            title: t("Singular values: {0}", label(s, placeOf(m))),
            about: t("Singular values of the product, falling; a cliff is a lost rank."),
            x: t("index"),
            y: t("singular value"),
            logarithmic: true,
            lines: [spectrum(t("at the end"), end), { ...spectrum(t("at the start"), start), predicted: true }],
          };
        }),
    ),
    {
      id: "distances",
      title: t("Distance of replicas"),
      about: t("Wasserstein distance of the weight distributions of replicas over their spread, by layer; smaller where replicas agree (2409.06402)."),
      x: t("layer"),
      y: t("distance"),
      names: settings[0]?.replicaDistance.layers.map((l) => l.parameter) ?? [],
      include: [0],
      lines: settings
        .filter((s) => s.replicaDistance.layers.length > 1)
        .map((s) => ({
          name: s.name,
          x: s.replicaDistance.layers.map((_, i) => i + 1),
          y: s.replicaDistance.layers.map((l) => l.distance.value ?? Number.NaN),
          error: s.replicaDistance.layers.map((l) => l.distance.error ?? Number.NaN),
        })),
    },
  ];
  return found.filter((c) => c.lines.some((l) => l.y.some(Number.isFinite)));
}

function maps({ settings }: ProbeRecord): HeatMapView[] {
  const all = settings.flatMap((s) => s.symmetries.flatMap((m) => (m.similarity ? [{ s, m, similarity: m.similarity }] : [])));
  return all.slice(0, MOST_MAPS).map(({ m, s, similarity: { end, units } }) => ({
    id: `similarity-${s.name}-${m.symmetry.id}`,
    title: t("Similarity of units: {0}", settings.length > 1 ? `${s.name}, ${placeOf(m)}` : placeOf(m)),
    about: t("Cosines between the weights of {0} at the end, in the balanced gauge, first replica. Blocks off the diagonal are duplicates.", plural(units.length, "unit")),
    of: t("unit"),
    values: units.map((_, i) => end.slice(i * units.length, (i + 1) * units.length)),
    low: -1,
    high: 1,
  }));
}

function comparisons({ comparisons: all }: ProbeRecord): TableView | undefined {
  if (all.length === 0) return undefined;
  const cell = (m: Measured | undefined): Cell => (m ? { text: signed(m), number: true } : { text: t("not measured") });
  return {
    id: "comparisons",
    title: t("What the settings change"),
    about: t("Differences of paired replicas (same initial weights, same order of the data), mean ± standard error. Below two standard errors nothing can be said."),
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

function symmetries(setting: Setting, { settings }: ProbeRecord): TableView {
  const rank = (m: Measures): number => (m.verdict ? ORDER.indexOf(m.verdict.kind) : ORDER.length);
  const sorted = setting.symmetries.filter((m) => m.degree !== undefined || m.ranks).sort((a, b) => rank(a) - rank(b));
  const left = sorted.length - MOST_ROWS;
  return {
    id: `symmetries-${setting.name}`,
    title: settings.length > 1 ? t("Symmetries: {0}", setting.name) : t("Symmetries"),
    ...(left > 0 ? { about: t("{0} more are in the exported page.", left) } : {}),
    head: [t("acts on"), t("group"), t("verdict"), t("degree of breaking"), t("evidence")],
    rows: sorted.slice(0, MOST_ROWS).map((m) => [
      { text: m.symmetry.parameters[0] ?? "", code: true, ...(m.symmetry.parameters.length > 1 ? { quiet: t("{0} more", m.symmetry.parameters.length - 1) } : {}) },
      { text: m.symmetry.group, quiet: m.symmetry.kind },
      verdictCell(m),
      m.degree ? { text: text(m.degree), number: true } : { text: "" },
      { text: evidence(m).join("; ") },
    ]),
  };
}

function verdictCell({ verdict }: Measures): Cell {
  if (!verdict) return { text: "" };
  const when = verdict.step?.value === null || verdict.step === undefined ? "" : ` ${t("at step {0}", Math.round(verdict.step.value))}`;
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

/** Measures that need no chart. */
function other({ settings }: ProbeRecord): TableView | undefined {
  const rows: Cell[][] = [];
  const add = (setting: Setting, what: string, value: string, meaning: string): void => {
    rows.push([{ text: what, ...(settings.length > 1 ? { quiet: setting.name } : {}) }, { text: value, number: true }, { text: meaning }]);
  };
  for (const s of settings) {
    add(s, t("replica distance"), text(s.replicaDistance.mean), t("mean over layers; smaller where replicas agree (2409.06402)"));
    if (s.alignment) {
      add(s, t("distance of replicas"), text(s.alignment.raw), t("|a − b|² / (|a|² + |b|²): 1 for unrelated weights"));
      add(s, t("the same modulo symmetry"), text(s.alignment.remaining), t("after permutations, signs and scalings are matched (2209.04836)"));
    }
    const largest = (of: (m: Measures) => Measured | undefined): number | undefined => {
      const values = s.symmetries.flatMap((m) => of(m)?.value ?? []);
      return values.length > 0 ? Math.max(...values) : undefined;
    };
    const identity = largest((m) => m.charges?.identity);
    if (identity !== undefined) add(s, t("largest violation of a gradient identity"), small(identity), t("0 for exact symmetries; float32 leaves up to about 1e-4"));
    const residual = largest((m) => m.charges?.residual);
    if (residual !== undefined) {
      add(s, t("charges against prediction"), small(residual), t("largest residual of Q′ = (1 − ηλ)² Q + η² (|g out|² − |g in|²), exact for SGD (2012.04728)"));
    }
    const drive = largest((m) => m.charges?.drive);
    if (drive !== undefined) add(s, t("kinetic symmetry breaking"), small(drive), t("largest share of updates along symmetry directions: 0 for SGD (2105.02716)"));
    for (const m of s.symmetries) {
      const ratio = m.norms?.equilibriumRatio;
      if (ratio) add(s, t("norm⁴ over equilibrium, {0}", placeOf(m)), text(ratio), t("1 where decay and steps balance (2105.02716)"));
    }
    for (const { end, layer } of s.dormant) {
      if ((end.value ?? 0) > 0) add(s, t("dormant units, {0}", layer), text(end), t("share with a score of at most 0.1 (2302.12902)"));
    }
    if (s.noiseScale) add(s, t("gradient noise scale"), text(s.noiseScale), t("examples; batches far below it are mostly noise (1812.06162)"));
  }
  return rows.length > 0 ? { id: "other", title: t("Other measures"), head: [t("measure"), t("value"), t("meaning")], rows } : undefined;
}

function lineOf(name: string, { at, values }: Course): Line {
  return { name, x: at, y: values.map((v) => v.value ?? Number.NaN), error: values.map((v) => v.error ?? Number.NaN) };
}

function spectrum(name: string, values: readonly Measured[]): Line {
  return lineOf(name, { at: values.map((_, i) => i + 1), values });
}

/** The weight that names a symmetry's layer. */
function placeOf({ symmetry: { group, parameters, writer } }: Measures): string {
  return writer ?? parameters[0] ?? group;
}

function nameOf(m: Measures): string {
  return `${m.symmetry.group} ${placeOf(m)}`;
}

function significant({ error, value }: Measured): boolean {
  return value !== null && error !== null && Math.abs(value) > 2 * error && value !== 0;
}

const text = ({ error, value }: Measured): string => estimated({ value: value ?? Number.NaN, error });
const signed = ({ error, value }: Measured): string => change({ value: value ?? Number.NaN, error });
