/** @file The report that `noether symmetries` prints for people. */
import type { Certificate, ModelAnalysis } from "../symmetry/analysis";
import { type ChannelSpace, formatAddress } from "../symmetry/symmetry";
import { countedOf, FAMILY_WORDS, familyCounts, withdrawnClaims } from "./families";
import { allNotes, type ReportedModel } from "./json";
import { riskOf, settingWords, telling } from "./risk";
import { PLAIN, type Style } from "./style";
import { typeset } from "./typeset";
import { count, fitted, merge, plural, shortAddresses, small, template, wrap } from "./words";

/** How a report is to look. */
export interface TextOptions {
  readonly style?: Style;
  /** Columns to stay within where that is possible (default 110). */
  readonly width?: number;
  /** Rows of channel spaces to print at most (default 40); repeated layers share a row. */
  readonly rows?: number;
}

/** The report of one model, ending without a line break. */
export function modelText(model: ReportedModel, options: TextOptions = {}): string {
  const style = options.style ?? PLAIN;
  const width = Math.max(60, options.width ?? 110);
  const { analysis } = model;
  const where = model.line === undefined ? model.file : `${model.file}:${model.line}`;
  const sections = [
    [`${style.title(model.name)}  ${style.place(where)}`, ...summary(model, style)],
    spaceLines(analysis.spaces, width, options.rows ?? 40, style),
    swapLines(analysis, style),
    exchangeLines(analysis, style),
    riskLines(model, width, style),
    certificateLines(model.certificate, analysis, style),
    opaqueLines(analysis, width, style),
    noteLines(model, style),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n");
}

/** The reports of several models, one below the other. */
export function symmetriesText(models: readonly ReportedModel[], options: TextOptions = {}): string {
  return models.map((m) => modelText(m, options)).join("\n\n\n");
}

function summary({ analysis, certificate }: ReportedModel, style: Style): string[] {
  const { continuous, isLeast } = countedOf(analysis, certificate);
  const { total } = continuous;
  const trained = plural(analysis.parameters, "trained parameter");
  if (total === 0)
    return [`  ${trained}; ${isLeast ? "no scale that is free (only scales were counted)" : "no continuous symmetry"}`];
  const least = isLeast ? "at least " : "";
  const share = analysis.parameters > 0 ? ` (${percentage(total / analysis.parameters)})` : "";
  const head = `  ${trained}, ${least}${plural(total, "direction")} of which ${total === 1 ? "is" : "are"} pure symmetry${share}`;
  const rows = familyCounts(continuous);
  const digits = Math.max(...rows.map((r) => count(r.count).length));
  const names = Math.max(...rows.map((r) => r.family.length));
  return [
    head,
    ...rows.map(
      (r) =>
        `  ${count(r.count).padStart(digits + 2)}  ${style.group(r.family.padEnd(names))}  ${style.quiet(FAMILY_WORDS[r.family])}`,
    ),
  ];
}

function percentage(share: number): string {
  const percent = 100 * share;
  if (percent >= 1) return `${percent.toFixed(percent < 10 ? 1 : 0)}%`;
  return percent < 0.01 ? "under 0.01%" : `${percent.toPrecision(1)}%`;
}

/** Spaces that repeat, layer by layer, with the same group on the same places. */
function repeated(spaces: readonly ChannelSpace[]): ChannelSpace[][] {
  const groups = new Map<string, ChannelSpace[]>();
  for (const s of spaces) {
    const key = [s.size, s.group, ...s.acts.map((a) => template(a.parameter) + formatAddress(a).slice(a.parameter.length))].join(
      " ",
    );
    const known = groups.get(key);
    if (known) known.push(s);
    else groups.set(key, [s]);
  }
  return [...groups.values()];
}

function spaceLines(spaces: readonly ChannelSpace[], width: number, most: number, style: Style): string[] {
  if (spaces.length === 0) return ["  no channel space: inputs, outputs or operators that are not understood pin every axis"];
  const groups = repeated(spaces);
  const rows = groups.slice(0, most).map((group) => {
    const first = group[0]!;
    const times = group.length === 1 ? "" : `${group.length} × `;
    return { size: `${times}${count(first.size)}`, group: first.group, acts: group.map((s) => s.acts) };
  });
  const sizes = Math.max(...rows.map((r) => r.size.length));
  // A few long names of groups must not push all places out of sight.
  const names = Math.min(36, Math.max(...rows.map((r) => r.group.length)));
  const left = Math.max(30, width - sizes - names - 6);
  const hidden = groups.slice(most).flat().length;
  return [
    `  ${style.title(plural(spaces.length, "channel space"))}: size, what acts on it, where`,
    ...rows.map((r) => {
      const room = Math.max(20, left - Math.max(0, r.group.length - names));
      return `  ${r.size.padStart(sizes)}  ${style.group(r.group.padEnd(names))}  ${fitted(shortAddresses(r.acts), room)}`;
    }),
    ...(hidden > 0 ? [`  ${style.quiet(`and ${plural(hidden, "space")} more; --all lists them`)}`] : []),
  ];
}

/** Exchanges that belong to no channel space: of nodes of a soft decision tree, of places. */
function exchangeLines(analysis: ModelAnalysis, style: Style): string[] {
  const alone = analysis.exchanges.filter((s) => s.spaces.length === 0);
  if (alone.length === 0) return [];
  return [
    `  ${style.title(plural(alone.length, "exchange"))}: entries that may change places, some with their signs`,
    ...alone.map((s) => `  ${style.group(s.group)}  ${merge(s.parameters)}`),
  ];
}

function swapLines(analysis: ModelAnalysis, style: Style): string[] {
  if (analysis.swaps.length === 0) return [];
  const rows = new Map<string, [string, string][]>();
  for (const [a, b] of analysis.swaps) {
    const key = `${template(a)} ${template(b)}`;
    const known = rows.get(key);
    if (known) known.push([a, b]);
    else rows.set(key, [[a, b]]);
  }
  return [
    `  ${style.title(plural(analysis.swaps.length, "swap"))}: branches that may change places`,
    ...[...rows.values()].map(
      (pairs) => `  ${merge(pairs.map((p) => p[0]))} ${style.quiet("<->")} ${merge(pairs.map((p) => p[1]))}`,
    ),
  ];
}

/** Kinds of symmetries whose risks one report tells. */
const MOST_RISKS = 3;

/** The collapse risk; where it is above low, what would happen, why, and what lowers it. */
function riskLines(model: ReportedModel, width: number, style: Style): string[] {
  const { groups, level } = riskOf(model);
  const worst = telling(groups);
  if (!worst) return [];
  const paint = { low: style.good, medium: style.warning, high: style.bad };
  const measured = worst.risk.basis === "measured";
  const head = `  collapse risk ${paint[level](level)}${measured ? ", measured in a probe" : ""}`;
  if (level === "low" && !measured) return [`${head}  ${style.quiet(settingWords(worst.settings))}`];
  const shown = level === "low" ? [worst] : groups.filter((g) => g.risk.level !== "low").slice(0, MOST_RISKS);
  const assumed = [...new Set(shown.flatMap((g) => g.risk.assumed))];
  const wrapped = (text: string): string[] => wrap(text, width - 4).map((line) => `    ${line}`);
  return [
    head,
    ...shown.flatMap(({ kind, risk }) => [
      ...wrapped(`${kind}: ${risk.sentence}${risk.bestLever ? ` Lowered most by ${risk.bestLever.text}.` : ""}`),
      ...wrapped(`${typeset(risk.formula.formula)} (${risk.formula.source})`).map((line) => style.quiet(line)),
    ]),
    ...(assumed.length > 0 ? wrapped(`assumed: ${assumed.join("; ")}`).map((line) => style.quiet(line)) : []),
  ];
}

/** How the claims were checked, and whether they explain all that was measured. */
export function certificateLines(certificate: Certificate | undefined, analysis: ModelAnalysis, style: Style = PLAIN): string[] {
  if (certificate === undefined) return [`  ${style.quiet("proved by rule; --certify checks it numerically")}`];
  const weights = certificate.randomWeights ? ", random weights" : "";
  const epsilon = certificate.exactUpToEpsilon ? "; exact up to the normalisations' epsilon, which is zero here" : "";
  const unchecked = certificate.unchecked?.length ?? 0;
  const out: string[] = [];
  switch (certificate.status) {
    case "certified": {
      const claims = plural(analysis.symmetries.length - unchecked, "symmetry", "symmetries");
      const deviation = small(certificate.maxRelativeDeviation);
      out.push(
        `  ${style.good("certified")}${seconds(certificate)}: ${claims} applied to the weights; outputs move by at most ${deviation} (ONNX Runtime, float32${weights})${epsilon}`,
      );
      break;
    }
    case "failed":
      out.push(
        `  ${style.bad("not certified")}: ${certificate.reason ?? "a claimed symmetry moves the outputs"}`,
        ...withdrawnClaims(analysis, certificate).map((claim) => `  ${style.bad("withdrawn")}: ${claim}`),
        "  this is a defect of Noether, please report it",
      );
      break;
    case "skipped":
      out.push(`  ${style.warning("not certified")}: ${certificate.reason ?? "not asked for"}`);
  }
  if (unchecked > 0)
    out.push(`  ${style.warning("not checked")}: ${plural(unchecked, "group")} found numerically could not be applied`);
  const d = certificate.dimensions;
  if (d) {
    const on = d.on === "twin" ? ` on a small copy of the model${twinWords(certificate.twin)}` : "";
    const complete = d.explained === d.measured ? style.good("complete") : style.warning("incomplete");
    out.push(`  ${complete}: ${count(d.explained)} of ${count(d.measured)} directions explained${on}`);
    for (const claim of certificate.twin?.leftOut ?? [])
      out.push(`  ${style.warning("not counted")}: ${claim}, solved for on the copy: a finite element moves its outputs`);
    if (d.moving) out.push(`  ${style.warning("not explained")}: directions that move ${d.moving.join(", ")}`);
  }
  if (certificate.unmeasured !== undefined) out.push(`  ${style.warning("not measured")}: ${certificate.unmeasured}`);
  return out;
}

/** How long it took, in words. */
function seconds({ milliseconds }: Certificate): string {
  return milliseconds === undefined ? "" : ` in ${(milliseconds / 1000).toFixed(1)} s`;
}

/** How the small copy was checked, and what it holds. */
function twinWords(twin: Certificate["twin"]): string {
  if (!twin) return "";
  const families = familyCounts(twin.continuous).map((f) => `${count(f.count)} ${f.family}`);
  const applied = `${plural(twin.symmetries - twin.unchecked.length, "symmetry", "symmetries")} applied, deviation ${small(twin.maxRelativeDeviation)} in float64`;
  return ` (${plural(twin.parameters, "weight")}; ${[...families, applied].join(", ")})`;
}

function opaqueLines(analysis: ModelAnalysis, width: number, style: Style): string[] {
  if (analysis.opaque.length === 0) return [];
  const byOperator = new Map<string, string[]>();
  for (const { operator, where } of analysis.opaque) {
    const known = byOperator.get(operator);
    if (known) known.push(where);
    else byOperator.set(operator, [where]);
  }
  return [
    `  ${style.warning(plural(analysis.opaque.length, "operator"))} not understood; they only pin what they touch`,
    ...[...byOperator].map(
      ([operator, where]) => `  ${operator}  ${style.quiet(fitted([...new Set(where)], width - operator.length - 6))}`,
    ),
  ];
}

function noteLines(model: ReportedModel, style: Style): string[] {
  return allNotes(model).map((n) => `  ${style.quiet(`note: ${n}`)}`);
}
