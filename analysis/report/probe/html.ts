/**
 * @file The report of a probe as one HTML page without anything outside of itself: no scripts, no fonts, no images from
 * elsewhere. Light and dark follow the reader's system. Every number stands with its standard error and where it comes from.
 */
import type { Measured, MeasuredCourse, ProbeRecord, RecordedMeasures, RecordedSetting } from "../../probe/record/record";
import type { Finding } from "../../rules/finding";
import { sortFindings } from "../findings";
import { typesetGroup } from "../typeset";
import { type Chart, escapeText, lineChart, type Series } from "../plot/svg";

/** Rows of the table of symmetries that are shown at most; the others are counted. */
const MOST_ROWS = 60;
/** Symmetries that get a chart of their own at most. */
const MOST_CHARTS = 8;

const STYLE = `
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--bad:#b3261e;--good:#1b7f4b}
@media(prefers-color-scheme:dark){:root{--bad:#ff8a80;--good:#6fdca3}}
body{font:15px/1.5 system-ui,sans-serif;max-width:1080px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.15rem;margin-top:2rem}
.lead{font-size:1.05rem}.quiet{opacity:.75}.charts{display:flex;flex-wrap:wrap;gap:1rem}
svg{max-width:100%;height:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600}code{font-family:ui-monospace,monospace;font-size:.9em;background:var(--soft);padding:0 .2em;border-radius:3px}
.collapses{color:var(--bad);font-weight:600}.breaks{color:var(--good)}.stays{font-weight:600}
`;

/** The page as text; `findings` are what rules say of it. */
export function probeHtml(record: ProbeRecord, findings: readonly Finding[] = []): string {
  const name = record.model;
  const body = [
    `<h1>${escapeText(name)}: what training does with its symmetries</h1>`,
    `<p class="quiet">${escapeText(conditions(record))}</p>`,
    lead(record),
    findingList(findings),
    charts(record),
    comparisons(record),
    ...record.settings.map((s) => symmetryTable(s, record.settings.length > 1)),
    details(record),
    notes(record),
    METHOD,
  ];
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeText(
    `${name}: probe`,
  )}</title><style>${STYLE}</style></head><body>\n${body.filter((b) => b !== "").join("\n")}\n</body></html>\n`;
}

function conditions(result: ProbeRecord): string {
  const trained = result.twin
    ? `its twin with ${result.parameters} parameters (${result.twin.reason}; the model has ${result.twin.originalParameters})`
    : `${result.parameters} parameters`;
  const runs = result.settings.map(
    (s) =>
      `${s.name}: ${s.training.optimiser}, learning rate ${s.training.learningRate}, weight decay ${s.training.weightDecay}, batch ${s.training.batchSize}`,
  );
  return `${trained}; ${result.data.description} (${result.data.examples} examples), ${result.loss}; ${result.steps} steps on ${result.device.device}, seed ${result.seed}, ${result.seconds.toFixed(1)} s. ${runs.join(". ")}.`;
}

function lead(record: ProbeRecord): string {
  return record.settings
    .map((s) => {
      const collapsed = s.symmetries.filter((x) => x.verdict?.kind === "collapses").length;
      const stuck = s.symmetries.filter((x) => x.verdict?.kind === "stays symmetric").length;
      const verdicts = [
        ...(collapsed > 0 ? [`<span class="collapses">${collapsed} of its symmetries collapse</span>`] : []),
        ...(stuck > 0 ? [`<span class="stays">${stuck} stay symmetric</span>`] : []),
      ];
      return `<p class="lead"><b>${escapeText(s.name)}</b>: degree of symmetry breaking ${value(s.degree)} over ${s.replicas} replica${
        s.replicas === 1 ? "" : "s"
      }${verdicts.length > 0 ? `; ${verdicts.join(", ")}` : "; nothing collapses"}. Final loss ${value(s.finalLoss)}${
        s.accuracy ? `, accuracy ${value(s.accuracy)}` : ""
      }.</p>`;
    })
    .join("\n");
}

function findingList(findings: readonly Finding[]): string {
  if (findings.length === 0) return "";
  const items = sortFindings(findings).map(({ file, message, range, rule, severity }) => {
    const [first, ...rest] = message.split("\n");
    const place = range ? `${file}:${range.start.line + 1}` : file;
    return `<li><b>${escapeText(first!)}</b> <span class="quiet">${severity}, ${escapeText(rule)}, ${escapeText(place)}. ${escapeText(rest.join(" "))}</span></li>`;
  });
  return `<h2>Findings</h2><ul>${items.join("")}</ul>`;
}

function series(name: string, course: MeasuredCourse): Series {
  return {
    name,
    points: course.at.map((x, i) => {
      const { value: y, error } = course.values[i]!;
      return { x, y: y ?? Number.NaN, error: error ?? Number.NaN };
    }),
  };
}

function charts(record: ProbeRecord): string {
  const positive = record.settings.every((s) => s.loss.values.every((v) => (v.value ?? 0) > 0));
  const list: Chart[] = [
    {
      title: "Loss",
      xLabel: "step",
      yLabel: "mini-batch loss",
      series: record.settings.map((s) => series(s.name, s.loss)),
      yScale: positive ? "log" : "linear",
    },
    {
      title: "Degree of symmetry breaking",
      xLabel: "step",
      yLabel: "degree of breaking",
      series: record.settings.map((s) => series(s.name, s.degreeCourse)),
      yInclude: [0, 1],
    },
  ];
  for (const s of record.settings) {
    // Those that move most say most.
    const moving = s.symmetries
      .filter((x) => x.course && x.course.values.length > 1)
      .sort((a, b) => Math.abs(change(b)) - Math.abs(change(a)))
      .slice(0, MOST_CHARTS);
    if (moving.length > 0) {
      list.push({
        title: record.settings.length > 1 ? `By symmetry: ${s.name}` : "By symmetry",
        xLabel: "step",
        yLabel: "degree of breaking",
        series: moving.map((x) => series(title(x), x.course!)),
        yInclude: [0, 1],
      });
    }
  }
  const imbalances = record.settings.flatMap((s) =>
    s.symmetries
      .filter((x) => x.symmetry.kind === "rescaling" && x.charges)
      .slice(0, MOST_CHARTS)
      .map((x) => series(label(record, s, title(x)), x.charges!.imbalance)),
  );
  if (imbalances.length > 0) {
    list.push({
      title: "Imbalance of rescalings",
      xLabel: "step",
      yLabel: "|out^2 - in^2| / (out^2 + in^2)",
      series: imbalances.slice(0, MOST_CHARTS),
      yInclude: [0, 1],
    });
  }
  const rates = record.settings.flatMap((s) =>
    s.symmetries
      .filter((x) => x.norms)
      .slice(0, MOST_CHARTS)
      .map((x) => series(label(record, s, title(x)), x.norms!.effectiveRate)),
  );
  if (rates.length > 0) {
    list.push({
      title: "Effective learning rate of scale-invariant weights",
      xLabel: "step",
      yLabel: "eta / r^2",
      series: rates.slice(0, MOST_CHARTS),
      yScale: "log",
    });
  }
  const swept = record.sweep;
  if (swept) {
    const isRate = swept.what === "lr";
    list.push({
      title: `Order parameter against ${swept.what}`,
      xLabel: isRate ? "learning rate squared" : swept.what,
      yLabel: "|w|^2",
      series: swept.symmetries.slice(0, MOST_CHARTS).map(({ order, symmetry }) => ({
        name: `${typesetGroup(symmetry.group)}, ${symmetry.parameters[0] ?? ""}`,
        points: order.map((o, i) => {
          const [w, x] = [o.value ?? Number.NaN, swept.values[i]!];
          return { x: isRate ? x * x : x, y: w * w, error: 2 * Math.abs(w) * (o.error ?? Number.NaN) };
        }),
      })),
      yInclude: [0],
    });
  }
  return `<div class="charts">${list.map(lineChart).join("\n")}</div>`;
}

function label(record: ProbeRecord, setting: RecordedSetting, name: string): string {
  return record.settings.length > 1 ? `${setting.name}: ${name}` : name;
}

function change(s: RecordedMeasures): number {
  const values = s.course?.values ?? [];
  return (values.at(-1)?.value ?? 0) - (values[0]?.value ?? 0);
}

function title(s: RecordedMeasures): string {
  const [first, ...more] = s.symmetry.parameters;
  return `${typesetGroup(s.symmetry.group)} ${s.symmetry.kind}, ${first ?? ""}${more.length > 0 ? ` +${more.length}` : ""}`;
}

function comparisons(record: ProbeRecord): string {
  if (record.comparisons.length === 0) return "";
  const rows = record.comparisons.map(
    (c) =>
      `<tr><td><b>${escapeText(c.setting)}</b> against ${escapeText(c.against)}</td><td>${signed(c.degree)}</td><td>${signed(c.deadUnits)}</td><td>${signed(c.distinctUnits)}</td><td>${signed(c.loss)}</td><td>${c.accuracy ? signed(c.accuracy) : "not measured"}</td></tr>`,
  );
  return `<h2>What the settings change</h2><p class="quiet">Differences of paired replicas (same initial weights, same order of the data), mean +- standard error. Below two standard errors nothing can be said.</p><div class="wide"><table><tr><th></th><th>degree</th><th>dead units</th><th>distinct units</th><th>loss</th><th>accuracy</th></tr>${rows.join("")}</table></div>`;
}

function symmetryTable(setting: RecordedSetting, several: boolean): string {
  const shown = setting.symmetries.filter((s) => s.degree !== undefined);
  // What collapses comes first, then what stays symmetric.
  const order = { collapses: 0, "stays symmetric": 1, breaks: 2 } as const;
  const rank = (s: RecordedMeasures) => (s.verdict ? order[s.verdict.kind] : 3);
  const sorted = [...shown].sort((a, b) => rank(a) - rank(b));
  const rows = sorted.slice(0, MOST_ROWS).map((s) => {
    const v = s.verdict;
    const when = v?.step ? ` at step ${v.step.value?.toFixed(0) ?? "?"}` : "";
    const kind = v ? `<span class="${v.kind.split(" ")[0]}">${v.kind}${when}</span>` : "";
    const names = s.symmetry.parameters.slice(0, 3).map((p) => `<code>${escapeText(p)}</code>`);
    const more = s.symmetry.parameters.length > 3 ? ` +${s.symmetry.parameters.length - 3}` : "";
    const units = s.units ? `<br>${s.units.units} units: ${value(s.units.dead)} dead, ${value(s.units.distinct)} distinct` : "";
    const ranks = s.ranks
      ? `<br>effective rank ${value(s.ranks.effective)} of ${small(s.ranks.full)}, above a thousandth of the largest: ${value(s.ranks.numerical)}`
      : "";
    return `<tr><td>${escapeText(typesetGroup(s.symmetry.group))}<br><span class="quiet">${s.symmetry.kind}</span></td><td>${names.join(" ")}${more}</td><td>${value(s.degree!)}</td><td>${kind}<br><span class="quiet">${v ? `driven by: ${v.driver}` : ""}</span></td><td>${escapeText(v?.evidence.slice(1).join("; ") ?? "")}${units}${ranks}</td></tr>`;
  });
  const left = sorted.length - rows.length;
  return `<h2>Symmetries${several ? `: ${escapeText(setting.name)}` : ""}</h2><div class="wide"><table><tr><th>group</th><th>acts on</th><th>degree of breaking</th><th>verdict</th><th>evidence</th></tr>${rows.join("")}</table></div>${left > 0 ? `<p class="quiet">${left} more.</p>` : ""}`;
}

function details(record: ProbeRecord): string {
  const rows: string[] = [];
  const row = (setting: string, what: string, number: string, meaning: string) =>
    rows.push(
      `<tr><td>${escapeText(setting)}</td><td>${escapeText(what)}</td><td>${number}</td><td class="quiet">${escapeText(meaning)}</td></tr>`,
    );
  for (const s of record.settings) {
    row(
      s.name,
      "replica distance",
      value(s.replicaDistance.mean),
      "Wasserstein distance of weight distributions over their spread, mean over layers; smaller: replicas agree (2409.06402)",
    );
    if (s.alignment) {
      row(s.name, "distance of replicas", value(s.alignment.raw), "|a - b|^2 / (|a|^2 + |b|^2): 1 for unrelated weights");
      row(
        s.name,
        "the same modulo symmetry",
        value(s.alignment.remaining),
        "after permutations, signs and scalings are matched (2209.04836)",
      );
    }
    const identities = s.symmetries.flatMap((x) => x.charges?.identity.value ?? []);
    if (identities.length > 0) {
      row(
        s.name,
        "largest violation of a gradient identity",
        small(Math.max(...identities)),
        "0 for exact symmetries; rounding of float32 leaves up to about 1e-4",
      );
    }
    const residuals = s.symmetries.flatMap((x) => x.charges?.residual?.value ?? []);
    if (residuals.length > 0) {
      row(
        s.name,
        "largest residual of the charge recursion",
        small(Math.max(...residuals)),
        "Q' = (1 - eta lambda)^2 Q + eta^2 (|g_out|^2 - |g_in|^2), exact for SGD (2012.04728)",
      );
    }
    const drives = s.symmetries.flatMap((x) => x.charges?.drive.value ?? []);
    if (drives.length > 0) {
      row(
        s.name,
        "largest kinetic symmetry breaking",
        small(Math.max(...drives)),
        "share of updates along symmetry directions: 0 for SGD (2105.02716)",
      );
    }
    for (const x of s.symmetries) {
      if (x.norms?.equilibriumRatio) {
        row(
          s.name,
          `norm^4 over equilibrium, ${title(x)}`,
          value(x.norms.equilibriumRatio),
          "1: where decay and steps balance (2105.02716)",
        );
      }
    }
    for (const { layer, end: share } of s.dormant) {
      if ((share.value ?? 0) > 0)
        row(s.name, `dormant units, ${layer}`, value(share), "share with a ReDo score of at most 0.1 (2302.12902)");
    }
    if (s.landscape?.hessian) {
      const { error, expected, nearZero, parameters } = s.landscape.hessian;
      row(
        s.name,
        "flat directions at the end",
        `${Math.round(nearZero)}${error > 0 ? ` &plusmn; ${Math.round(error)}` : ""} of ${parameters}`,
        `eigenvalues of the Hessian below ${small(s.landscape.hessian.threshold)} of the largest; ${expected} of them by symmetry (1710.06096)`,
      );
    }
    if (s.landscape?.barrier) {
      row(
        s.name,
        "loss barrier between replicas",
        value(s.landscape.barrier.raw),
        "loss at the midpoint over the mean of both ends",
      );
      row(
        s.name,
        "the same modulo symmetry",
        value(s.landscape.barrier.aligned),
        "near zero: one solution in several gauges (2209.04836)",
      );
    }
    for (const x of s.symmetries) {
      if (!x.collapse) continue;
      const { exponent, exponentError, lossIncrease, margin, mirror } = x.collapse;
      const error = exponentError === null ? "" : ` &plusmn; ${small(exponentError)}`;
      row(
        s.name,
        `collapse exponent, ${title(x)}: ${mirror}`,
        exponent === null ? "not measured" : `${small(exponent)}${error}`,
        `per step at its mirror, negative collapses (2306.04251); collapsing costs ${small(lossIncrease)} of loss, margin of decay ${margin === null ? "infinite" : small(margin)} (above 1 decay prefers it, 2309.16932)`,
      );
    }
    if (s.noiseScale)
      row(s.name, "gradient noise scale", value(s.noiseScale, 0), "examples; batches far below it are mostly noise (1812.06162)");
  }
  return `<h2>Other measures</h2><div class="wide"><table><tr><th>setting</th><th>measure</th><th>value</th><th>meaning</th></tr>${rows.join("")}</table></div>`;
}

function notes(result: ProbeRecord): string {
  const trials = result.device.trials.map((t) => `${t.provider}: ${t.outcome} (${t.reason})`);
  const all = [...result.notes, ...(result.twin?.notes ?? []), ...trials];
  return all.length > 0 ? `<h2>Notes</h2><ul>${all.map((t) => `<li>${escapeText(t)}</li>`).join("")}</ul>` : "";
}

const METHOD = `<h2>How this was measured</h2><p class="quiet">The degree of symmetry breaking is the mean order parameter over a chain of mirrors: B = (1/M) sum of min(1, s<sub>m</sub> / s<sub>0</sub>), with s<sub>m</sub> the distance of the weights from the m-th mirror (between units for permutations, the norm of a unit for signs and scalings, the root of a singular value for matrix groups) and s<sub>0</sub> the root mean square norm of the layer's units, now or at the start, whichever is larger, in the gauge of least norm. 0: fully symmetric (all units equal, all dead, rank zero); 1: units of one size, as far apart as unrelated ones. Verdicts count mirrors: one is broken when s<sub>m</sub> exceeds about 0.03 of the layer's largest unit. Values are means over replicas with their standard errors (pairs of replicas: jackknife).</p>`;

function value(e: Measured, digits?: number): string {
  if (e.value === null) return "not measured";
  const text = digits === undefined ? small(e.value) : e.value.toFixed(digits);
  if (e.error === null) return `${text} <span class="quiet">(too few replicas for an error)</span>`;
  return `${text} &plusmn; ${digits === undefined ? small(e.error) : e.error.toFixed(digits)}`;
}

function signed(e: Measured): string {
  return e.value !== null && e.value > 0 ? `+${value(e)}` : value(e);
}

function small(x: number): string {
  if (x === 0) return "0";
  if (!Number.isFinite(x)) return "not measured";
  return Math.abs(x) < 1e-3 || Math.abs(x) >= 1e5 ? x.toExponential(1) : String(Number(x.toPrecision(3)));
}
