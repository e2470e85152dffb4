import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import type { ProbeEvent, ProbeRecord } from "../../../server/protocol";
import { translateWith } from "../text";
import { align } from "./align";
import { after, nothingYet } from "./live";
import { liveView } from "./live-view";
import { change, count, duration, estimated, plural, small } from "./numbers";
import { recordView } from "./record-view";
import type { ChartView, PanelView } from "./view";

/** A probe of a small bottleneck with a comparison, as the server streamed it. */
const recorded = JSON.parse(
  readFileSync(path.join(import.meta.dirname, "../../../testFixtures/probe/bottleneck.json"), "utf8"),
) as {
  readonly events: readonly ProbeEvent[];
  readonly record: ProbeRecord;
};

const chart = ({ charts }: PanelView, id: string): ChartView => {
  const found = charts.find((c) => c.id === id);
  assert.ok(found, `no chart ${id}`);
  return found;
};

describe("a running probe", () => {
  const live = recorded.events.reduce(after, nothingYet("Net"));

  it("grows with each message, and never changes what was known before", () => {
    const halves = recorded.events.length >> 1;
    const half = recorded.events.slice(0, halves).reduce(after, nothingYet("Net"));
    const points = (l: typeof half): number => [...l.losses.values()].flatMap((r) => [...r.values()]).flatMap((r) => r.x).length;
    const before = points(half);
    const whole = recorded.events.slice(halves).reduce(after, half);
    assert.equal(points(half), before);
    assert.ok(points(whole) > before);
    assert.deepEqual(whole, live);
    assert.equal(live.steps, recorded.record.steps);
  });

  it("shows losses, degree, order parameters, charges and ranks, with errors over replicas", () => {
    const view = liveView(live);
    assert.equal(view.title, recorded.record.model);
    const degree = chart(view, "degree");
    assert.deepEqual(
      degree.lines.map((l) => l.name),
      recorded.record.settings.map((s) => s.name),
    );
    for (const id of ["loss", "order", "imbalance", "ranks"]) {
      const { lines } = chart(view, id);
      assert.ok(lines.length > 0);
      for (const { error, x, y } of lines) {
        assert.equal(x.length, y.length);
        assert.ok(
          x.every((v, i) => i === 0 || v > x[i - 1]!),
          `${id} goes forward`,
        );
        // Ranks are measured on one replica while it trains.
        assert.ok(id === "ranks" || error?.some((e) => e > 0), id);
      }
    }
  });

  it("shows replicas apart where there is one setting", () => {
    const only: ProbeEvent[] = [
      { kind: "started", model: "Net", steps: 10, replicas: 2, settings: ["as it is"], parameters: 3 },
      {
        kind: "points",
        step: 5,
        steps: 10,
        points: [0, 1].map((replica) => ({ setting: "as it is", replica, step: 5, loss: 1 + replica })),
      },
    ];
    const { lines } = chart(liveView(only.reduce(after, nothingYet("Net"))), "loss");
    assert.deepEqual(
      lines.map((l) => [l.name, ...l.y]),
      [
        ["replica 1", 1],
        ["replica 2", 2],
      ],
    );
  });
});

describe("a finished probe", () => {
  const view = recordView(recorded.record, nothingYet("Net"));

  it("says first what came of it, with uncertainties", () => {
    const text = view.verdicts.map((v) => v.text).join("\n");
    assert.match(text, /Degree of symmetry breaking \d[\d.]* ± /);
    assert.match(text, /no decay against as it is: /);
    assert.doesNotMatch(text, /undefined|NaN|\[object/);
  });

  it("names model, data, training and device", () => {
    const text = view.conditions.join(" ");
    for (const part of [/36 parameters/, /sgd, learning rate 0\.1, weight decay 0\.02/, /Device: cpu/, /seed 0/])
      assert.match(text, part);
  });

  it("has a collapse first in the table, and in red", () => {
    const [setting] = recorded.record.settings;
    const judged = setting!.symmetries.filter((s) => s.verdict);
    const last = judged.at(-1)!;
    const collapsed = { ...last, verdict: { ...last.verdict!, kind: "collapses" as const, driver: "weight decay" } };
    const symmetries = [...judged.slice(0, -1), collapsed];
    const record = { ...recorded.record, settings: [{ ...setting!, symmetries }], comparisons: [] };
    const changed = recordView(record, nothingYet("Net"));
    assert.equal(changed.verdicts[0]!.tone, "bad");
    assert.match(changed.verdicts[0]!.text, /^1 of \d symmetries collapse: .* Driven by weight decay\.$/);
    const table = changed.tables.find((t) => t.title === "Symmetries")!;
    assert.equal(table.rows[0]![2]!.tone, "bad");
  });

  it("draws spectra, similarity and replica distances", () => {
    const spectrum = view.charts.find((c) => c.id.startsWith("spectrum"))!;
    assert.deepEqual(spectrum.lines[0]!.x, [1, 2, 3]);
    const distances = chart(view, "distances");
    assert.equal(distances.names!.length, distances.lines[0]!.x.length);
    for (const { values } of view.maps) for (const row of values) assert.equal(row.length, values.length);
    assert.ok(view.maps.length > 0);
    const charges = chart(view, "charges");
    assert.deepEqual(
      charges.lines.map((l) => [l.name, l.predicted]),
      charges.lines.flatMap((l) =>
        l.predicted
          ? []
          : [
              [l.name, undefined],
              [`${l.name}, predicted`, true],
            ],
      ),
    );
  });

  it("says how flat the end is, where the nearest mirrors are and whether training goes there", () => {
    const other = view.tables.find((t) => t.id === "other")!;
    assert.deepEqual(other.head, ["measure", "as it is", "no decay", "meaning"]);
    const flat = other.rows.find((r) => r[0]!.text === "Hessian eigenvalues near zero")!;
    assert.match(flat[1]!.text, /^\d+/);
    const setting = recorded.record.settings[0]!;
    const collapse = {
      mirror: "unit 3",
      distance: 0.1,
      lossIncrease: 1e-5,
      margin: 40,
      exponent: -0.02,
      exponentError: 0.001,
      curvature: 1,
      curvatureVariance: 1,
    };
    const near = { ...setting, symmetries: [{ ...setting.symmetries[0]!, collapse }] };
    const { tables } = recordView({ ...recorded.record, settings: [near], comparisons: [] }, nothingYet("Net"));
    const [row] = tables.find((t) => t.id === "mirrors")!.rows;
    assert.deepEqual(
      row!.slice(1).map((c) => [c.text, c.tone]),
      [
        ["unit 3", undefined],
        ["0.1", undefined],
        ["1.0e-5", undefined],
        ["40", "warning"],
        ["-0.02 ± 0.001", "warning"],
      ],
    );
  });

  it("draws the order parameter over a sweep, and where it vanishes", () => {
    const { symmetry } = recorded.record.settings[0]!.symmetries[0]!;
    const order = [0.5, 0.4, 0.1].map((value) => ({ value, error: 0.01, replicas: 4 }));
    const measured = { value: 1.5, error: 0.2, replicas: 3 };
    const fit = { a: measured, b: measured, criticalRate: measured, residual: 0.02, points: 3 };
    const sweep = { what: "lr", values: [0.01, 0.1, 1], symmetries: [{ symmetry, order, fit }] };
    const swept = recordView({ ...recorded.record, sweep }, nothingYet("Net"));
    const { lines, logarithmicX, x } = chart(swept, "sweep");
    assert.deepEqual([x, logarithmicX, lines[0]!.x, lines[0]!.y], ["lr", true, [0.01, 0.1, 1], [0.5, 0.4, 0.1]]);
    const critical = swept.tables.find((t) => t.id === "critical")!;
    assert.equal(critical.rows[0]![1]!.text, "1.5 ± 0.2");
  });

  it("survives JSON, where what is not a number is null", () => {
    const setting = recorded.record.settings[0]!;
    const unknown = { value: null, error: null, replicas: 0 };
    const record = { ...recorded.record, settings: [{ ...setting, finalLoss: unknown, degree: unknown }], comparisons: [] };
    assert.match(recordView(record, nothingYet("Net")).verdicts.at(-1)!.text, /not measured.*final loss not measured/);
  });

  it("speaks the editor's language", () => {
    translateWith({ Loss: "Verlust", "{0} units: {1} dead, {2} distinct": "{0} Einheiten: {1} tot, {2} verschieden" });
    try {
      const translated = recordView(recorded.record, nothingYet("Net"));
      assert.equal(chart(translated, "loss").title, "Verlust");
    } finally {
      translateWith({});
    }
  });
});

describe("lines on one axis", () => {
  const base = { id: "a", title: "", about: "", x: "step", y: "" };

  it("share their points, with gaps where one has none", () => {
    const { lines, x } = align({
      ...base,
      lines: [
        { name: "a", x: [0, 2], y: [1, 3], error: [0.5, Number.NaN] },
        { name: "b", x: [1, 2], y: [Number.NaN, 5] },
      ],
    });
    assert.deepEqual(x, [0, 1, 2]);
    assert.deepEqual(lines[0]!.y, [1, null, 3]);
    assert.deepEqual(lines[0]!.band, { high: [1.5, null, null], low: [0.5, null, null] });
    assert.deepEqual(lines[1]!.y, [null, null, 5]);
    assert.equal(lines[1]!.band, undefined);
  });

  it("leave out what a logarithmic axis cannot show", () => {
    const { lines } = align({ ...base, logarithmic: true, lines: [{ name: "a", x: [0, 1], y: [0, 2], error: [1, 3] }] });
    assert.deepEqual(lines[0]!.y, [null, 2]);
    assert.deepEqual(lines[0]!.band!.low, [null, 0.02]);
  });
});

it("numbers read well", () => {
  assert.deepEqual([0, 0.12345, 1234.5, 0.00012, 2e6].map(small), ["0", "0.123", "1230", "1.2e-4", "2.0e6"]);
  assert.equal(estimated({ value: 0.9312, error: 0.0213 }), "0.931 ± 0.021");
  assert.equal(estimated({ value: 1, error: null }), "1 (one value, no error)");
  assert.equal(estimated({ value: Number.NaN, error: 0 }), "not measured");
  assert.equal(change({ value: 0.5, error: 0 }), "+0.5 ± 0");
  assert.deepEqual(
    [count(1234567), plural(1, "process"), plural(2, "process"), duration(125)],
    ["1,234,567", "1 process", "2 processes", "2 min 5 s"],
  );
});
