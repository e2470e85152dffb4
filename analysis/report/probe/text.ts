/** @file The report of a probe for a terminal: what was trained, small charts, verdicts with their evidence. */
import type { Measured, MeasuredCourse, ProbeRecord, RecordedSetting } from "../../probe/record/record";
import type { Style } from "../style";

const BLOCKS = "▁▂▃▄▅▆▇█";
/** Columns of a chart. */
const WIDTH = 40;
/** Symmetries that are listed per setting; the others are counted. */
const MOST_ROWS = 12;

/** A number with few digits. */
function short(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** A mean with its standard error. */
export function withError({ value, error, replicas }: Measured): string {
  if (value === null) return "not measured";
  if (error !== null) return `${short(value)} ± ${short(error)}`;
  return `${short(value)} (${replicas < 2 ? "one replica" : "too few replicas for an error"})`;
}

/** A curve as a row of blocks, from its least to its largest value. */
export function sparkline(values: readonly number[], width = WIDTH): string {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return "";
  const columns = Math.min(width, finite.length);
  const means = Array.from({ length: columns }, (_, k) => {
    const from = Math.floor((k * finite.length) / columns);
    const part = finite.slice(from, Math.max(from + 1, Math.floor(((k + 1) * finite.length) / columns)));
    return part.reduce((a, b) => a + b, 0) / part.length;
  });
  const [low, high] = [Math.min(...means), Math.max(...means)];
  return means.map((v) => BLOCKS[high === low ? 0 : Math.round(((v - low) / (high - low)) * (BLOCKS.length - 1))]!).join("");
}

function chart(label: string, course: MeasuredCourse): string {
  const values = course.values.flatMap((v) => v.value ?? []);
  if (values.length === 0) return "";
  return `  ${label.padEnd(18)} ${sparkline(values)}  ${short(values[0]!)} to ${short(values.at(-1)!)}`;
}

/** The report as lines. */
export function probeText(record: ProbeRecord, style: Style): string {
  const { device, twin } = record;
  const lines = [
    style.title(`${record.model}: what training does with its symmetries`),
    style.quiet(
      `${record.parameters} parameters; ${record.loss} on ${record.data.description}; ${record.steps} steps, ${record.replicas} replicas, ` +
        `on ${device.device} (${device.processes} ${device.processes === 1 ? "process" : "processes"}), ${record.cached ? "from the cache" : `${record.seconds.toFixed(1)} s`}`,
    ),
  ];
  for (const t of device.trials.filter((x) => x.outcome !== "used"))
    lines.push(style.quiet(`${t.provider}: ${t.outcome}, ${t.reason}`));
  if (twin) {
    lines.push(
      style.warning(`trained as its twin with ${record.parameters} of ${twin.originalParameters} parameters: ${twin.reason}`),
    );
  }
  for (const s of record.settings) lines.push("", ...setting(s, style));
  for (const c of record.comparisons) {
    lines.push(
      "",
      style.title(`${c.setting} against ${c.against}`),
      `  degree of breaking ${withError(c.degree)}, loss ${withError(c.loss)}${c.accuracy ? `, accuracy ${withError(c.accuracy)}` : ""}`,
      `  dead units ${withError(c.deadUnits)}, distinct units ${withError(c.distinctUnits)}`,
    );
  }
  if (record.sweep) lines.push("", ...sweep(record.sweep, style));
  const notes = [...new Set([...(twin?.notes ?? []), ...record.notes])];
  if (notes.length > 0) lines.push("", ...notes.map((n) => style.quiet(`note: ${n}`)));
  return lines.join("\n");
}

function setting(s: RecordedSetting, style: Style): string[] {
  const { optimiser, learningRate, weightDecay, batchSize } = s.training;
  const how = ` (${optimiser}, learning rate ${learningRate}, weight decay ${weightDecay}, batch ${batchSize})`;
  const out = [
    `${style.title(s.name)}${style.quiet(how)}`,
    chart("loss", s.loss),
    chart("symmetry breaking", s.degreeCourse),
    `  degree of breaking ${withError(s.degree)} (0 symmetric, 1 fully broken); final loss ${withError(s.finalLoss)}${
      s.accuracy ? `; accuracy ${withError(s.accuracy)}` : ""
    }`,
  ];
  if (s.diverged > 0) out.push(style.bad(`  ${s.diverged} of ${s.replicas} replicas diverged`));
  const told = s.symmetries.filter((x) => x.verdict);
  const order = ["collapses", "stays symmetric"];
  const rank = (kind: string) => (order.includes(kind) ? order.indexOf(kind) : order.length);
  told.sort((a, b) => rank(a.verdict!.kind) - rank(b.verdict!.kind));
  for (const { symmetry, verdict, degree } of told.slice(0, MOST_ROWS)) {
    const paint = verdict!.kind === "collapses" ? style.bad : verdict!.kind === "stays symmetric" ? style.warning : style.good;
    out.push(
      `  ${style.group(symmetry.group.padEnd(10))} ${symmetry.parameters.slice(0, 2).join(", ")}: ${paint(verdict!.kind)}${
        degree ? `, degree ${withError(degree)}` : ""
      }`,
    );
  }
  if (told.length > MOST_ROWS) out.push(style.quiet(`  and ${told.length - MOST_ROWS} more symmetries`));
  out.push(...measures(s).map((line) => style.quiet(`  ${line}`)));
  return out.filter((line) => line !== "");
}

/** What was measured besides degrees and verdicts, a line each. */
function measures({ alignment, dormant, landscape, noiseScale, symmetries }: RecordedSetting): string[] {
  const out: string[] = [];
  const most = (values: readonly (number | null | undefined)[]) =>
    Math.max(...values.filter((v): v is number => typeof v === "number"));
  const identity = most(symmetries.map((x) => x.charges?.identity.value));
  const residual = most(symmetries.map((x) => x.charges?.residual?.value));
  if (identity >= 0) {
    const law = residual >= 0 ? `, residual of SGD's law for charges ${short(residual)}` : "";
    out.push(`gradients obey the symmetries to ${short(identity)}${law}`);
  }
  if (landscape?.hessian) {
    const { error, expected, nearZero, parameters } = landscape.hessian;
    const zero = `${Math.round(nearZero)}${error > 0 ? ` ± ${Math.round(error)}` : ""}`;
    out.push(`flat directions: ${zero} of ${parameters} Hessian eigenvalues near zero, ${expected} by symmetry`);
  }
  if (landscape?.barrier) {
    const { aligned, raw } = landscape.barrier;
    out.push(`loss barrier between replicas: ${withError(raw)}, modulo symmetry ${withError(aligned)}`);
  }
  if (alignment) out.push(`distance of replicas: ${withError(alignment.raw)}, modulo symmetry ${withError(alignment.remaining)}`);
  const falling = symmetries
    .flatMap(({ collapse, symmetry }) => (collapse ? [{ collapse, symmetry }] : []))
    .filter(({ collapse: c }) => c.exponent !== null && c.exponent + 2 * (c.exponentError ?? 0) < 0)
    .sort((a, b) => a.collapse.exponent! - b.collapse.exponent!);
  for (const { collapse: c, symmetry } of falling.slice(0, MOST_FALLING)) {
    const error = c.exponentError === null ? "" : ` ± ${short(c.exponentError)}`;
    out.push(
      `${symmetry.group} ${symmetry.parameters[0] ?? ""}: ${c.mirror} shrinks by a factor e^${short(c.exponent!)}${error} per step near its mirror, which costs ${short(c.lossIncrease)} of loss`,
    );
  }
  for (const { norms, symmetry } of symmetries) {
    const ratio = norms?.equilibriumRatio;
    if (ratio) out.push(`${symmetry.parameters[0] ?? ""}: norm^4 over its predicted equilibrium ${withError(ratio)}`);
  }
  for (const { layer, start, end } of dormant) {
    if ((end.value ?? 0) > 0)
      out.push(`dormant units behind ${layer}: ${withError(end)} of the layer, ${withError(start)} at the start`);
  }
  if (noiseScale && noiseScale.value !== null) out.push(`gradient noise scale ${withError(noiseScale)} examples`);
  return out;
}

/** The order parameters of a sweep, with the fitted critical learning rates. */
function sweep({ what, values, symmetries }: NonNullable<ProbeRecord["sweep"]>, style: Style): string[] {
  const out = [style.title(`distance from the mirrors against ${what} = ${values.join(", ")}`)];
  for (const { fit, order, symmetry } of symmetries.slice(0, MOST_ROWS)) {
    const numbers = order.map((o) => o.value ?? Number.NaN);
    const critical = fit?.criticalRate.value;
    const end =
      fit === undefined
        ? ""
        : critical === null || critical === undefined
          ? "; does not fall with the learning rate"
          : `; |w|^2 = a - b lr^2 vanishes at lr ${withError(fit.criticalRate)} (heuristic fit)`;
    out.push(
      `  ${style.group(symmetry.group.padEnd(10))} ${symmetry.parameters[0] ?? ""}: ${numbers.map(short).join(", ")}${end}`,
    );
  }
  return out;
}

/** Mirrors on the way to collapse that are named at most. */
const MOST_FALLING = 3;
