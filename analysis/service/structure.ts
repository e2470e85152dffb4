/**
 * @file Where the symmetries of a file's models are in its text: what lenses, inlay hints, highlights and the explorer show.
 * Made on request, since it is larger than what is shown while somebody types.
 */
import { say } from "../texts/say";
import type { SourceRange } from "../graph/source";
import type { RiskLevel } from "../dynamics/risk/risk";
import { levelWords, riskOf, settingWords, spaceRisks, telling } from "../report/risk";
import { countedOf } from "../report/families";
import { typesetGroup } from "../report/typeset";
import { count, plural, shortScope } from "../report/words";
import type { Layer } from "../rules/checked";
import { type Address, type ChannelSpace, formatAddress } from "../symmetry/symmetry";
import type { LoadedModel } from "./loaded";

/** A layer that a channel space runs through. */
export interface SpaceMember {
  /** Module path, such as `layer1.0.conv1`. */
  readonly scope: string;
  /** Where the space is in it: `weight/0`, `bias/0`. */
  readonly places: readonly string[];
  /** The call that makes the layer. */
  readonly range: SourceRange;
  /** Whether the layer writes the space (its outputs) or reads it. */
  readonly side: "out" | "in";
}

/** A channel space of a model, with the layers that share it. */
export interface SpacePlaces {
  /** `512 units · S(512) with R+^512`. */
  readonly label: string;
  readonly size: number;
  readonly group: string;
  /** The highest collapse risk of the symmetries on it. */
  readonly risk: RiskLevel;
  readonly members: readonly SpaceMember[];
}

/** A model of the file. */
export interface ModelStructure {
  readonly name: string;
  /** The class statement; absent for ONNX files. */
  readonly range?: SourceRange;
  readonly parameters: number;
  /** Dimension of the continuous symmetries; at least this where `atLeast`. */
  readonly dimension: number;
  readonly atLeast: boolean;
  readonly certified: boolean;
  /** The highest collapse risk of its symmetries. */
  readonly risk: RiskLevel;
  /** Why: the deciding numbers, and what was assumed. */
  readonly riskReason: string;
  /** `12 groups · 4,096 of 11.2 M parameters are symmetry · risk low · certified`. */
  readonly summary: string;
  readonly spaces: readonly SpacePlaces[];
}

/** What a layer's line says of its axes, such as `a:16 -> b:32`. */
export interface AxisHint {
  /** The call that makes the layer. */
  readonly range: SourceRange;
  readonly label: string;
  readonly tooltip: string;
}

/** The structure of a document. */
export interface DocumentStructure {
  readonly path: string;
  readonly models: readonly ModelStructure[];
  readonly hints: readonly AxisHint[];
}

/** The structure of a file's models. */
export function structureOf(file: string, models: readonly LoadedModel[]): DocumentStructure {
  return {
    path: file,
    models: models.map((model) => modelStructure(model)),
    hints: models.flatMap((model) => axisHints(file, model)),
  };
}

function modelStructure(model: LoadedModel): ModelStructure {
  const { analysis, certificate, name, range } = model;
  const layers = layersByParameter(model);
  const { continuous, isLeast } = countedOf(analysis, certificate);
  const dimension = continuous.total;
  const atLeast = isLeast && dimension > 0;
  const certified = certificate?.status === "certified";
  const risk = riskOf(model);
  const bySpace = spaceRisks(analysis, risk);
  const parts = [
    plural(analysis.spaces.length, "group"),
    `${atLeast ? say`at least ` : ""}${
      dimension === 1
        ? say`1 of ${short(analysis.parameters)} parameters is symmetry`
        : say`${count(dimension)} of ${short(analysis.parameters)} parameters are symmetry`
    }`,
    say`risk ${levelWords(risk.level)}`,
    ...(certified ? [say`certified`] : []),
  ];
  const worst = telling(risk.groups);
  const assumed = worst && worst.risk.assumed.length > 0 ? [say`Assumed: ${worst.risk.assumed.join("; ")}.`] : [];
  return {
    name,
    ...(range ? { range } : {}),
    parameters: analysis.parameters,
    dimension,
    atLeast,
    certified,
    risk: risk.level,
    riskReason: worst ? [settingWords(worst.settings), worst.risk.sentence, ...assumed].join("\n") : "",
    summary: parts.join(" · "),
    spaces: analysis.spaces.map((space) => ({
      label: `${plural(space.size, "channel")} · ${typesetGroup(space.group)}`,
      size: space.size,
      group: typesetGroup(space.group),
      risk: bySpace.get(space.id) ?? "low",
      members: members(space, layers),
    })),
  };
}

/** 11689512 as `11.7 M`. */
function short(n: number): string {
  for (const [unit, size] of [
    ["B", 1e9],
    ["M", 1e6],
  ] as const) {
    if (n >= size) return `${(n / size).toFixed(1)} ${unit}`;
  }
  return count(n);
}

function layersByParameter({ layers }: LoadedModel): Map<string, Layer> {
  return new Map(layers.flatMap((layer) => layer.parameters.map((p) => [p, layer] as const)));
}

function members(space: ChannelSpace, layers: ReadonlyMap<string, Layer>): SpaceMember[] {
  const found = new Map<string, { layer: Layer; side: "out" | "in"; places: string[] }>();
  for (const address of space.acts) {
    const layer = layers.get(address.parameter);
    if (!layer) continue;
    const side = sideOf(address, layer);
    const key = `${layer.scope} ${side}`;
    const place = formatAddress(address).slice(layer.scope.length + 1);
    const known = found.get(key);
    if (known) known.places.push(place);
    else found.set(key, { layer, side, places: [place] });
  }
  return [...found.values()].map(({ layer, places, side }) => ({ scope: layer.scope, places, range: layer.constructor, side }));
}

/** The side of a layer that an axis of its parameters is on, by PyTorch's layouts. */
function sideOf({ axis, parameter }: Address, { kind, scope }: Layer): "out" | "in" {
  const leaf = parameter.slice(scope.length + 1);
  if (!leaf.startsWith("weight")) return "out";
  const inFirst = /ConvTranspose|Embedding/.test(kind);
  return (axis === 0) === inFirst ? "in" : "out";
}

/** One label per call that makes layers: the spaces of its sides, by letters that are the same where the space is the same. */
function axisHints(file: string, model: LoadedModel): AxisHint[] {
  const layers = layersByParameter(model);
  const letters = new Map<number, string>();
  const sides = new Map<Layer, { out: Set<number>; in: Set<number> }>();
  for (const space of model.analysis.spaces) {
    for (const address of space.acts) {
      const layer = layers.get(address.parameter);
      if (layer?.constructor.file !== file) continue;
      if (!letters.has(space.id)) letters.set(space.id, letter(letters.size));
      const own = sides.get(layer) ?? { out: new Set(), in: new Set() };
      own[sideOf(address, layer)].add(space.id);
      sides.set(layer, own);
    }
  }
  const byCall = new Map<string, { range: SourceRange; labels: string[]; lines: string[] }>();
  const named = (ids: ReadonlySet<number>): string =>
    [...ids].map((id) => `${letters.get(id)}:${model.analysis.spaces[id]?.size ?? "?"}`).join("·");
  for (const [layer, own] of sides) {
    const { constructor: range, scope } = layer;
    const key = `${range.start.line}:${range.start.column}`;
    const label = [own.in, own.out]
      .map(named)
      .filter((s) => s !== "")
      .join(" → ");
    const groups = [...own.in, ...own.out].map((id) => `${letters.get(id)}: ${typesetGroup(model.analysis.spaces[id]!.group)}`);
    const known = byCall.get(key) ?? { range, labels: [], lines: [] };
    known.labels.push(label);
    known.lines.push(`${shortScope(scope)}: ${groups.join(", ")}`);
    byCall.set(key, known);
  }
  return [...byCall.values()].map(({ labels, lines, range }) => {
    const more = labels.length > 1 ? say` (one of ${labels.length})` : "";
    return { range, label: `${labels[0]}${more}`, tooltip: [model.name, ...lines.slice(0, 12)].join("\n") };
  });
}

/** a, b, ..., z, aa, ab, ... */
function letter(n: number): string {
  const own = String.fromCharCode(97 + (n % 26));
  return n < 26 ? own : letter(Math.floor(n / 26) - 1) + own;
}
