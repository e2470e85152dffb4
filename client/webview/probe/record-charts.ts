/** @file Charts and maps of a finished probe. */
import type { ProbeRecord } from "../../../server/protocol";
import { t } from "../text";
import { mostMoved } from "./lines";
import { plural } from "./numbers";
import { type Measured, type Measures, nameOf, placeOf, type Setting } from "./record-words";
import type { ChartView, HeatMapView, Line } from "./view";

type Course = Setting["loss"];

const MOST_MAPS = 4;
/** Charges that are shown with their predictions: each is two lines. */
const MOST_PREDICTED = 3;

/** All charts that have something to show. */
export function charts(record: ProbeRecord): ChartView[] {
  const { settings } = record;
  const label = (s: Setting, name: string): string => (settings.length > 1 ? `${s.name}: ${name}` : name);
  const collect = (of: (m: Measures, s: Setting) => readonly Line[]): Line[] =>
    mostMoved(settings.flatMap((s) => s.symmetries.flatMap((m) => of(m, s))));
  const losses = settings.map((s) => lineOf(s.name, s.loss));
  const { sweep } = record;
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
      about: t("Mean order parameter over mirrors and replicas: 0 fully symmetric, 1 as far from it as unrelated units."),
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
      about: t(
        "Imbalance |out² − in²| / (out² + in²) of each rescaling; decay shrinks it, gradient flow alone conserves its charge.",
      ),
      x: t("step"),
      y: t("imbalance"),
      include: [0],
      lines: collect((m, s) =>
        m.symmetry.kind === "rescaling" && m.charges ? [lineOf(label(s, nameOf(m)), m.charges.imbalance)] : [],
      ),
    },
    {
      id: "sweep",
      title: t("Order parameter against {0}", sweep?.what ?? ""),
      about: t("Root mean square distance from each symmetry's mirrors at the end of training, over the values of the sweep."),
      x: sweep?.what ?? "",
      y: "|w|",
      logarithmicX: sweep?.values.every((v) => v > 0) === true,
      include: [0],
      lines: mostMoved((sweep?.symmetries ?? []).map((s) => lineOf(nameOf(s), { at: sweep!.values, values: s.order }))),
    },
    {
      id: "charges",
      title: t("Charges against prediction"),
      about: t(
        "Size of the Noether charges |out|² − |in|², mean over units; dotted what the law of SGD predicts from the start alone (2012.04728).",
      ),
      x: t("step"),
      y: "|Q|",
      logarithmic: true,
      lines: predictedCharges(settings, label),
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
      about: t(
        "Wasserstein distance of the weight distributions of replicas over their spread, by layer; smaller where replicas agree (2409.06402).",
      ),
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

/** Charges of the rescalings that moved most, each with its prediction behind it. */
function predictedCharges(settings: readonly Setting[], label: (s: Setting, name: string) => string): Line[] {
  const found = settings.flatMap((s) =>
    s.symmetries.flatMap((m) =>
      m.charges?.predicted ? [{ name: label(s, nameOf(m)), ...m.charges, predicted: m.charges.predicted }] : [],
    ),
  );
  const measured = mostMoved(found.map(({ name, size }) => lineOf(name, size))).slice(0, MOST_PREDICTED);
  return measured.flatMap((line): Line[] => {
    const { predicted } = found.find((f) => f.name === line.name)!;
    return [line, { ...lineOf(t("{0}, predicted", line.name), predicted), predicted: true }];
  });
}

/** How similar the units of layers are to each other. */
export function maps({ settings }: ProbeRecord): HeatMapView[] {
  const all = settings.flatMap((s) => s.symmetries.flatMap((m) => (m.similarity ? [{ s, m, similarity: m.similarity }] : [])));
  return all.slice(0, MOST_MAPS).map(({ m, s, similarity: { end, units } }) => ({
    id: `similarity-${s.name}-${m.symmetry.id}`,
    title: t("Similarity of units: {0}", settings.length > 1 ? `${s.name}, ${placeOf(m)}` : placeOf(m)),
    about: t(
      "Cosines between the weights of {0} at the end, in the balanced gauge, first replica. Blocks off the diagonal are duplicates.",
      plural(units.length, "unit"),
    ),
    of: t("unit"),
    values: units.map((_, i) => end.slice(i * units.length, (i + 1) * units.length)),
    low: -1,
    high: 1,
  }));
}

function lineOf(name: string, { at, values }: Course): Line {
  return { name, x: at, y: values.map((v) => v.value ?? Number.NaN), error: values.map((v) => v.error ?? Number.NaN) };
}

function spectrum(name: string, values: readonly Measured[]): Line {
  return lineOf(name, { at: values.map((_, i) => i + 1), values });
}
