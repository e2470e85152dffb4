/** @file What an editor shows when the pointer is on a layer or on a model's class: its symmetries, in about ten lines. */
import { mark, say, translated } from "../texts/say";
import type { SourceRange } from "../graph/source";
import type { Graph } from "../graph/graph";
import { elementCount } from "../graph/tensor";
import { countedOf, FAMILY_EFFECTS, familyCounts } from "../report/families";
import { levelWords, outcomeWords, riskOf, settingWords, telling } from "../report/risk";
import { typeset, typesetGroup, withLinks } from "../report/typeset";
import { count, fitted, list, plural, shortScope, small } from "../report/words";
import type { Layer } from "../rules/checked";
import { inertParameters } from "../rules/inert";
import type { Certificate, ModelAnalysis } from "../symmetry/analysis";
import { type ChannelSpace, FAMILIES, type Family, type Symmetry } from "../symmetry/symmetry";
import type { LoadedModel } from "./loaded";

/** Text for a range. */
export interface Hover {
  readonly range: SourceRange;
  /** Links to places are written `[text](place:0)`: the number is an index in `links`. */
  readonly markdown: string;
  readonly links: readonly SourceRange[];
  /** The model that it is about. */
  readonly model: string;
}

/** Spaces that one hover names, and members of the first and of the others; more would be a wall. */
const MOST_SPACES = 3;
const MOST_MEMBERS = 5;
const MOST_FURTHER_MEMBERS = 3;

/** Text with its links. */
type Text = Pick<Hover, "markdown" | "links">;

/** Hovers for all calls that make layers, all places that apply them, and the class statements, in one file. */
export function hoversOf(file: string, models: readonly LoadedModel[]): Hover[] {
  const out: Hover[] = [];
  for (const model of models)
    if (model.range?.file === file)
      out.push({ range: model.range, model: model.name, markdown: modelMarkdown(model), links: [] });
  for (const { model, layers } of layersByCall(file, models)) {
    const text = layerText(model, layers);
    if (text === undefined) continue;
    const ranges = [layers[0]!.constructor, ...layers.flatMap((l) => l.uses)].filter((r) => r.file === file);
    for (const range of distinct(ranges)) out.push({ range, model: model.name, ...text });
  }
  return out;
}

/** The layers that each call makes, in the model in which it makes most of them: a block alone, or as a part of a network. */
function layersByCall(file: string, models: readonly LoadedModel[]): { model: LoadedModel; layers: Layer[] }[] {
  const best = new Map<string, { model: LoadedModel; layers: Layer[] }>();
  for (const model of models) {
    const own = new Map<string, Layer[]>();
    for (const layer of model.layers) {
      const { constructor: call } = layer;
      if (call.file !== file && !layer.uses.some((u) => u.file === file)) continue;
      const key = `${call.file} ${call.start.line}:${call.start.column}`;
      const known = own.get(key);
      if (known) known.push(layer);
      else own.set(key, [layer]);
    }
    for (const [key, layers] of own) {
      const known = best.get(key);
      const larger = known === undefined || layers.length > known.layers.length;
      const sameButWider = known?.layers.length === layers.length && model.layers.length > known.model.layers.length;
      if (larger || sameButWider) best.set(key, { model, layers });
    }
  }
  return [...best.values()];
}

function distinct(ranges: readonly SourceRange[]): SourceRange[] {
  const seen = new Map<string, SourceRange>();
  for (const r of ranges) seen.set(`${r.start.line}:${r.start.column}:${r.end.line}:${r.end.column}`, r);
  return [...seen.values()];
}

/** The hover of a layer; undefined for one without parameters. */
function layerText(model: LoadedModel, layers: readonly Layer[]): Text | undefined {
  const layer = layers[0]!;
  const { analysis, certificate } = model;
  const own = new Set(layer.parameters);
  if (own.size === 0) return undefined;
  const size = layer.parameters.reduce((n, p) => n + elementCount(analysis.graph.parameters.get(p)?.shape ?? [0]), 0);
  const times = layers.length > 1 ? say`, one of ${layers.length} that this call makes` : "";
  const head = `**\`${layer.scope}\`** · ${layer.kind}, ${say`${plural(size, "parameter")} in ${`\`${model.name}\``}`}${times}${certificate?.status === "certified" ? ` · ${say`certified`}` : ""}`;
  const spaces = analysis.spaces
    .filter((s) => s.acts.some((a) => own.has(a.parameter)))
    .map((space) => ({ space, side: sideOf(space, layer, analysis.graph) }))
    .sort((a, b) => (a.side === b.side ? 0 : a.side > b.side ? -1 : 1));
  const acting = analysis.symmetries.filter((s) => s.parameters.some((p) => own.has(p)));
  const links: SourceRange[] = [];
  const lines = spaces
    .slice(0, MOST_SPACES)
    .map(({ space, side }, i) => spaceLine(space, side, layer, model, links, i === 0 ? MOST_MEMBERS : MOST_FURTHER_MEMBERS));
  if (spaces.length > MOST_SPACES) lines.push(say`and ${plural(spaces.length - MOST_SPACES, "more space")}`);
  const inert = inertSentences(analysis, layer);
  if (lines.length === 0 && inert.length === 0) {
    const why = analysis.opaque.length > 0 ? say`, and operators that are not understood pin others` : "";
    return { markdown: `${head}\n\n${say`No symmetry acts on it: inputs and outputs fix its axes${why}.`}`, links };
  }
  const told = inert.length > 0 ? inert.join("  \n") : effectLine(acting);
  return {
    markdown: paragraphs([head, lines.join("  \n"), told, riskMarkdown(model, acting), provenance(analysis, certificate)]),
    links,
  };
}

/** The head and what is most of it stand apart, the rest in lines: gaps are what makes an editor scroll. */
function paragraphs([head, first, ...rest]: readonly string[]): string {
  const lines = rest.filter((part) => part !== "").join("  \n");
  return [head, first, lines].filter((part) => part !== undefined && part !== "").join("\n\n");
}

/** The highest risk of some symmetries of a model: what would happen, the formula with its source, and what was assumed. */
function riskMarkdown(model: LoadedModel, acting: readonly Symmetry[]): string {
  const { groups } = riskOf(model);
  const wanted = new Set(acting.map((s) => s.id));
  const group = telling(groups.filter((g) => g.symmetries.some((s) => wanted.has(s.id))));
  if (!group) return "";
  const { risk, settings } = group;
  const of = risk.what === "none" ? "" : say` of ${outcomeWords(risk)}`;
  if (settings.unknown && risk.level === "low" && risk.basis === "closed form") {
    return say`**Collapse risk low**${of}: ${settingWords(settings)}.`;
  }
  const lever = risk.bestLever ? say` Lowered most by ${risk.bestLever.text}.` : "";
  const assumed = risk.assumed.length > 0 ? say` *Assumed*: ${risk.assumed.join("; ")}.` : "";
  return [
    say`**Collapse risk ${levelWords(risk.level)}**${of}. ${risk.sentence}${lever}`,
    `\`${typeset(risk.formula.formula)}\` · ${withLinks(risk.formula.source)}.${assumed}`,
  ].join("  \n");
}

function spaceLine(
  space: ChannelSpace,
  side: string,
  layer: Layer,
  model: LoadedModel,
  links: SourceRange[],
  most: number,
): string {
  const name = model.analysis.graph.symbols?.get(space.size);
  const size = name === undefined ? count(space.size) : say`${`\`${name}\``} (${space.size} here)`;
  const noun = translated(NOUNS[nounOf(space, layer)][space.size === 1 ? 0 : 1]);
  const kind = space.permutable ? say`interchangeable ${noun}` : say`coupled ${noun}`;
  const group = `\`${typesetGroup(space.group)}\``;
  return say`**${size} ${kind}** (${side}): ${group} on ${memberLinks(space, layer, model, links, most)}`;
}

/** The layers that share a space, as links to the calls that make them; those beside the layer by what they are called there. */
function memberLinks(space: ChannelSpace, layer: Layer, model: LoadedModel, links: SourceRange[], most: number): string {
  const beside = /^.*[./](?=[^./]+$)/.exec(layer.scope)?.[0] ?? "";
  const nameOf = ({ scope, kind }: Layer): string => {
    if (scope === "") return kind;
    const rest = scope.startsWith(beside) ? scope.slice(beside.length) : scope;
    return /^\d+$/.test(rest) ? shortScope(scope) : rest;
  };
  const layers = layersByParameter(model);
  const members = [...new Set(space.acts.map((a) => layers.get(a.parameter) ?? a.parameter))];
  const shown = members.slice(0, most).map((member) => {
    if (typeof member === "string") return `\`${member}\``;
    links.push(member.constructor);
    return `[\`${nameOf(member)}\`](place:${links.length - 1})`;
  });
  const more = members.length - shown.length;
  return `${shown.join(", ")}${more > 0 ? say` and ${plural(more, "more layer")}` : ""}`;
}

const OWNERS = new WeakMap<readonly Layer[], ReadonlyMap<string, Layer>>();

function layersByParameter({ layers }: LoadedModel): ReadonlyMap<string, Layer> {
  let map = OWNERS.get(layers);
  if (!map) {
    map = new Map(layers.flatMap((layer) => layer.parameters.map((p) => [p, layer] as const)));
    OWNERS.set(layers, map);
  }
  return map;
}

const SIDES = { in: mark`in`, out: mark`out` } as const;

const NOUNS = {
  block: [mark`block`, mark`blocks`],
  channel: [mark`channel`, mark`channels`],
  unit: [mark`unit`, mark`units`],
  feature: [mark`feature`, mark`features`],
} as const;

/** What one entry of a space is called in layers of this kind. */
function nounOf(space: ChannelSpace, layer: Layer): keyof typeof NOUNS {
  const address = space.acts.find((a) => layer.parameters.includes(a.parameter));
  if (address?.factors !== undefined) return address.factor === 0 ? "block" : "channel";
  if (/^Linear|^LazyLinear|^Dense|RNN|LSTM|GRU/.test(layer.kind)) return "unit";
  return layer.kind === "Embedding" || layer.kind === "Embed" ? "feature" : "channel";
}

/** Which side of a kernel of Keras or Flax an axis is: (..., in, out), but (..., out, in) in transposed convolutions. */
function kernelSide(parameter: string, axis: number, rank: number, layer: Layer): keyof typeof SIDES {
  // Attention: (width, heads, size) towards the heads, (heads, size, width) back.
  if (/attention_output|(?:^|[./])out[./]kernel$/.test(parameter) && rank === 3) return axis === 2 ? "out" : "in";
  if (/[./](?:query|key|value)[./]kernel$/.test(parameter) && rank === 3) return axis === 0 ? "in" : "out";
  const last = axis === rank - 1;
  return last === !layer.kind.endsWith("DTranspose") ? "out" : "in";
}

/** Which side of the layer a space is on, by the layouts of its framework. */
function sideOf(space: ChannelSpace, layer: Layer, graph: Graph): string {
  const weight = `${layer.scope}.weight`;
  const sides = new Set(
    space.acts
      .filter((a) => layer.parameters.includes(a.parameter))
      .map((a): keyof typeof SIDES => {
        if (/[./](?:[a-z]+_)?kernel$/.test(a.parameter))
          return kernelSide(a.parameter, a.axis, graph.parameters.get(a.parameter)?.shape.length ?? 2, layer);
        if (/[./]embeddings?$/.test(a.parameter)) return a.axis === 0 ? "in" : "out";
        if (a.parameter !== weight) return "out";
        if (/ConvTranspose/.test(layer.kind)) return a.axis === 0 ? "in" : "out";
        if (layer.kind === "Embedding") return a.axis === 0 ? "in" : "out";
        return a.axis === 0 ? "out" : "in";
      }),
  );
  return [...sides]
    .sort()
    .reverse()
    .map((side) => translated(SIDES[side]))
    .join(say` and `);
}

/** Parameters of the layer that have no effect. */
function inertSentences(analysis: ModelAnalysis, layer: Layer): string[] {
  const out: string[] = [];
  for (const { parameter, segment, forgottenBy } of inertParameters({ graph: analysis.graph, normal: () => analysis.normal })) {
    if (!layer.parameters.includes(parameter.name)) continue;
    const leaf = /[^./]*$/.exec(parameter.name)![0];
    const by = forgottenBy[0]!;
    const scope = by.node.origin.scope;
    const where = scope === undefined || scope === "" ? say`what follows` : `\`${shortScope(scope)}\``;
    const why = {
      softmax: say`softmax cancels what is added to all scores alike`,
      mean: say`${where} subtracts the mean again`,
      difference: say`it cancels in a difference in ${where}`,
    }[by.how];
    out.push(
      segment
        ? say`Entries ${segment.start} to ${segment.end - 1} of its ${`\`${leaf}\``} have **no effect**: ${why}.`
        : say`Its ${`\`${leaf}\``} has **no effect**: ${why}.`,
    );
  }
  return out;
}

/** What the strongest of the symmetries on a layer leads to. */
function effectLine(acting: readonly Symmetry[]): string {
  const family = FAMILIES.find((f): f is Family => acting.some((s) => s.kind === f));
  if (family) return translated(FAMILY_EFFECTS[family]);
  if (!acting.some((s) => s.kind === "permutation")) return "";
  return say`Units that start equal stay equal; equally trained networks differ by a permutation of them.`;
}

function provenance(analysis: ModelAnalysis, certificate: Certificate | undefined): string {
  const about = analysis.notes.some((n) => /epsilon/.test(n)) ? say` Exact up to the normalisations' epsilon.` : "";
  switch (certificate?.status) {
    case "certified": {
      const weights = certificate.randomWeights ? say`random weights` : say`the weights`;
      return say`*Certified*: random elements, applied to ${weights}, move the output by at most ${small(certificate.maxRelativeDeviation)} (ONNX Runtime).${about}${measuredWords(certificate)}`;
    }
    case "failed":
      return say`*Not certified*: ${certificate.reason ?? say`a claim moves the output`}. Please report this.`;
    case "skipped":
      return say`*Proved by rule*, not checked numerically: ${certificate.reason ?? say`not asked for`}.${about}`;
    case undefined:
      return say`*Proved by rule*; checked numerically when the editor is idle.${about}`;
  }
}

/** How much of what was measured the claims explain. */
function measuredWords({ dimensions: d, unmeasured }: Certificate): string {
  if (unmeasured !== undefined) return say` Completeness was not measured: ${unmeasured}.`;
  if (!d) return "";
  return d.on === "twin"
    ? say` ${count(d.explained)} of ${count(d.measured)} directions explained, measured on a small copy of the model.`
    : say` ${count(d.explained)} of ${count(d.measured)} directions explained.`;
}

/** The hover of a class: how much of the model is symmetry. */
function modelMarkdown(model: LoadedModel): string {
  const { name, analysis, certificate, notes } = model;
  const { continuous, isLeast } = countedOf(analysis, certificate);
  const { total } = continuous;
  const least = isLeast ? say`at least ` : "";
  const head = `**\`${name}\`** · ${plural(analysis.parameters, "trained parameter")}, ${plural(analysis.spaces.length, "channel space")}`;
  const families = familyCounts(continuous).map((f) => `${count(f.count)} ${f.family}`);
  const directions =
    total === 0
      ? say`No continuous symmetry was found.`
      : total === 1
        ? say`${least}1 direction of its weights is pure symmetry: ${list(families)}.`
        : say`${least}${count(total)} directions of its weights are pure symmetry: ${list(families)}.`;
  const opaque = [...new Set(analysis.opaque.map((o) => `\`${o.operator}\``))];
  const unknown = opaque.length > 0 ? say`Not understood: ${fitted(opaque, 80)}; they only pin what they touch.` : "";
  const made = notes?.[0] === undefined ? "" : say`It was ${notes[0]}.`;
  const notKnown = [unknown, made].filter((s) => s !== "").join("  \n");
  return paragraphs([
    head,
    capital(directions),
    riskMarkdown(model, analysis.symmetries),
    notKnown,
    provenance(analysis, certificate),
  ]);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
