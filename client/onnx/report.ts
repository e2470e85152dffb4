/** @file The report on an .onnx file as HTML. Pure functions; everything from the file is escaped. */
import { type Finding, type ModelSummary, type OnnxSummary, typesetGroup } from "../../server/protocol";
import { readSymmetries, type Certificate, type ChannelSpace, type ModelSymmetries } from "../public-json";

/** Shown while the file is being read. */
export function progressReport(): string {
  return `<p role="status">Reading the graph and its symmetries…</p>`;
}

/** Shown when there was no answer. */
export function errorReport(message: string): string {
  return problems([{ message }]);
}

/** The models of a file; `certifying` while the numeric check is still running. */
export function summaryReport(summary: OnnxSummary, options: { readonly certifying: boolean }): string {
  const parts = [
    summary.problems.length > 0 ? problems(summary.problems) : "",
    ...summary.models.map((m) => modelSection(m, options.certifying)),
    findings(summary.findings),
    summary.models.length > 0 ? `<footer>Read in ${Math.max(1, Math.round(summary.milliseconds))} ms.</footer>` : "",
  ];
  return parts.join("\n");
}

function modelSection(model: ModelSummary, certifying: boolean): string {
  const symmetries = readSymmetries(model.json);
  const body = symmetries
    ? [
        overview(model, symmetries, certifying),
        spaces(symmetries.spaces),
        swaps(symmetries),
        opaque(symmetries),
        notes(symmetries),
      ].join("")
    : "";
  return `<section aria-label="${escape(model.name)}"><h2>${escape(model.name)}</h2>${body}
<details${symmetries ? "" : " open"}><summary>Text report</summary><pre>${escape(model.text)}</pre></details></section>`;
}

function overview(model: ModelSummary, symmetries: ModelSymmetries, certifying: boolean): string {
  const { continuous, spaces, certificate } = symmetries;
  const families = Object.entries(continuous.families).filter(([, dimension]) => dimension > 0);
  const rows = families.map(
    ([family, dimension]) => `<tr><th scope="row">${escape(family)}</th><td>${number(dimension)}</td></tr>`,
  );
  return `<p class="facts"><span>${number(model.parameters)} parameters</span>
<span>${number(spaces.length)} channel ${spaces.length === 1 ? "space" : "spaces"}</span>
<span>${symmetries.lowerBound ? "at least " : ""}${number(continuous.total)} continuous ${continuous.total === 1 ? "direction" : "directions"}</span>${badge(certificate, certifying)}</p>
${certificate ? how(certificate) : ""}
${families.length === 0 ? "" : `<table class="families"><caption>Directions that leave the function unchanged</caption><tbody>${rows.join("")}</tbody></table>`}`;
}

function badge(certificate: Certificate | undefined, certifying: boolean): string {
  if (certificate?.status === "certified") {
    const deviation = certificate.maxRelativeDeviation;
    return `<span class="badge good">certified${deviation === undefined ? "" : ` (deviation ${deviation.toExponential(1)})`}</span>`;
  }
  if (certificate?.status === "failed") return `<span class="badge bad">certification failed</span>`;
  return certifying
    ? `<span class="badge" role="status">certifying…</span>`
    : `<span class="badge">proved by rule, not certified</span>`;
}

/** How the certificate was obtained, and how complete the list is. */
function how({ status, reason, randomWeights, dimensions }: Certificate): string {
  if (status === "failed") return `<p class="how">${escape(reason)}</p>`;
  if (status !== "certified") return "";
  const weights = randomWeights ? "random weights, as the file lacks some" : "the file's weights";
  const applied = `Each symmetry was applied to ${weights}, and ONNX Runtime compared the outputs.`;
  const twin = dimensions?.on === "twin" ? " on its twin of a few channels" : "";
  const complete = dimensions
    ? ` ${number(dimensions.explained)} of ${number(dimensions.measured)} directions that the Jacobian's rank shows${twin} are explained.`
    : "";
  return `<p class="how">${applied}${complete}</p>`;
}

function spaces(all: readonly ChannelSpace[]): string {
  if (all.length === 0) return `<p>No channel space: nothing may be permuted or rescaled.</p>`;
  const rows = all.map(
    ({ size, group, acts }) =>
      `<tr><td class="number">${number(size)} channels</td><td class="group">${escape(typesetGroup(group))}</td><td>${addresses(acts)}</td></tr>`,
  );
  return `<table><caption>Channel spaces</caption><thead><tr><th scope="col">Channels</th><th scope="col">Group</th><th scope="col">Acts on</th></tr></thead>
<tbody>${rows.join("\n")}</tbody></table>`;
}

/** How many addresses a row shows before the rest is folded away. */
const SHOWN = 4;

function addresses(acts: readonly string[]): string {
  const list = acts.map((a) => `<code>${escape(a)}</code>`);
  const rest = list.length - SHOWN;
  if (rest <= 1) return list.join(" ");
  return `${list.slice(0, SHOWN).join(" ")} <details class="more"><summary>${rest} more</summary>${list.slice(SHOWN).join(" ")}</details>`;
}

function swaps({ swaps: pairs }: ModelSymmetries): string {
  if (pairs.length === 0) return "";
  const items = pairs.map((branches) => `<li>${branches.map((b) => `<code>${escape(b)}</code>`).join(" ↔ ")}</li>`);
  return `<h3>Branches that may be exchanged</h3><ul>${items.join("")}</ul>`;
}

function opaque({ opaque: operators }: ModelSymmetries): string {
  if (operators.length === 0) return "";
  const items = operators.map(
    ({ operator, where }) =>
      `<li><code>${escape(operator)}</code>${where === "" ? "" : ` at <code>${escape(where)}</code>`}</li>`,
  );
  return `<h3>Operators not understood</h3><p>Nothing is claimed through these.</p><ul>${items.join("")}</ul>`;
}

function notes({ notes: all }: ModelSymmetries): string {
  return all.length === 0 ? "" : `<ul class="how">${all.map((n) => `<li>${escape(n)}</li>`).join("")}</ul>`;
}

function findings(all: readonly Finding[]): string {
  if (all.length === 0) return "";
  const items = all.map(
    (f) =>
      `<li class="${f.severity}"><strong>${f.severity}</strong> ${escape(f.message)} <code>${escape(f.rule)}</code>${f.node === undefined ? "" : ` at <code>${escape(f.node)}</code>`}</li>`,
  );
  return `<section aria-label="Findings"><h2>Findings</h2><ul class="findings">${items.join("\n")}</ul></section>`;
}

function problems(all: readonly { readonly message: string }[]): string {
  return `<div class="problems" role="alert">${all.map((p) => `<p>${escape(p.message)}</p>`).join("")}</div>`;
}

function number(value: number): string {
  return value.toLocaleString("en");
}

/** Text as HTML text or attribute value. */
export function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
