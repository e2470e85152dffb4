/** @file A finished probe as the panel shows it: verdicts in words first, then charts, maps and tables. */
import { type ProbeRecord, typesetGroup } from "../../../server/protocol";
import { t } from "../text";
import type { LiveProbe } from "./live";
import { liveView } from "./live-view";
import { count, duration, plural, small } from "./numbers";
import { charts, maps } from "./record-charts";
import { comparisons, criticalRates, mirrors, other, symmetries } from "./record-tables";
import { placeOf, type Setting, significant, signed, text } from "./record-words";
import type { ChartView, PanelView, Sentence } from "./view";

/** Charts of the running probe that the record has nothing better for. */
const ALIVE = ["order", "ranks", "dormant"];

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
    tables: [
      comparisons(record),
      ...record.settings.map((s) => symmetries(s, record)),
      criticalRates(record),
      mirrors(record),
      other(record),
    ].filter((x) => x !== undefined),
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
    const which = found.slice(0, 3).map((s) => `${typesetGroup(s.symmetry.group)} ${t("on")} ${placeOf(s)}`);
    const more = found.length > 3 ? `, ${t("{0} more", found.length - 3)}` : "";
    const drivers = [...new Set(found.map((s) => s.verdict.driver))].join(", ");
    const says =
      kind === "collapses"
        ? t("{0} of {1} symmetries collapse: {2}. Driven by {3}.", found.length, told.length, which.join(", ") + more, drivers)
        : t(
            "{0} of {1} symmetries are never broken: {2}. Driven by {3}.",
            found.length,
            told.length,
            which.join(", ") + more,
            drivers,
          );
    return [{ text: name + says, tone: kind === "collapses" ? "bad" : "warning" }];
  });
  if (sentences.length === 0 && told.length > 0) {
    sentences.push({
      text: name + t("Nothing collapses: training breaks all {0} symmetries that were judged.", told.length),
      tone: "good",
    });
  }
  if (setting.diverged > 0) {
    sentences.unshift({ text: name + t("{0} of {1} replicas diverged.", setting.diverged, setting.replicas), tone: "bad" });
  }
  const accuracy = setting.accuracy ? `, ${t("accuracy")} ${text(setting.accuracy)}` : "";
  sentences.push({
    text:
      name +
      t(
        "Degree of symmetry breaking {0} (0 fully symmetric, 1 all broken); final loss {1}{2}.",
        text(setting.degree),
        text(setting.finalLoss),
        accuracy,
      ),
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
