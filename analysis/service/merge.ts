/**
 * @file A model's source and its ONNX exports, told once: what is found in an export stands on the line of the source that
 * wrote it, and what both show is one finding.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import type { Graph, Node } from "../graph/graph";
import type { SourceRange } from "../graph/source";
import { readSuppressions, suppress } from "../lint/suppressions";
import type { Finding } from "../rules/finding";
import { placeKey } from "../rules/layers";
import type { LoadedFile, LoadedModel } from "./loaded";
import { isMatch, namesakes, type SourceMatch } from "./source-match";

/** An export whose weights have the names and shapes of a model's. */
export interface Export {
  /** As it is named in messages: its path relative to the source's folder. */
  readonly name: string;
  readonly file: string;
  readonly model: LoadedModel;
  /** What the rules find in it, as configured. */
  readonly findings: readonly Finding[];
}

/** Where a model's layers are written. */
export type Lines = Pick<SourceMatch, "layers" | "range">;

/** The lines of a model of the Python front end. */
export function linesOf({ layers, range }: LoadedModel): Lines {
  return { layers: Object.fromEntries(layers.map((l) => [l.scope, l.constructor])), ...(range ? { range } : {}) };
}

/** The model whose export a network is: enough of its named weights have namesakes of the same shape. */
function modelOf(
  exported: Graph,
  models: readonly LoadedModel[],
): { readonly model: LoadedModel; readonly matched: number } | undefined {
  let best: { readonly model: LoadedModel; readonly matched: number } | undefined;
  for (const model of models) {
    const found = namesakes(exported, model.graph);
    if (isMatch(found) && found.matched > (best?.matched ?? 0)) best = { model, matched: found.matched };
  }
  return best;
}

/** An export with the model that it is of, and how many of its weights have namesakes there. */
export interface ExportOf {
  readonly of: LoadedModel;
  readonly matched: number;
  readonly export: Export;
}

/** The findings of an export on lines of its source file; those that stand on no line of it are left out. */
export function ontoSource({ findings, model, name, file }: Export, source: string, lines: Lines): Finding[] {
  return findings.flatMap((f): Finding[] => {
    const range = lineOf(f, model.graph, lines) ?? lines.range;
    if (range?.file !== source) return [];
    const { node: _node, ...rest } = f;
    const start = { line: 0, column: 0 };
    const related = [...f.related, { label: `found in its export ${name}`, range: { file, start, end: start } }];
    return [{ ...rest, file: source, range, related, message: `in its export ${name}: ${f.message}`, fixes: [] }];
  });
}

/** The call that makes the layer that a finding is about. */
function lineOf({ node }: Finding, graph: Graph, { layers }: Lines): SourceRange | undefined {
  if (node === undefined) return undefined;
  const found = graph.nodes.find((n) => n.origin.node === node || n.name === node);
  const scopes = found ? scopesOf(found, graph) : [];
  // PyTorch names nodes by module path: /layer1/layer1.0/conv1/Conv.
  const last = node.split("/").filter((p) => p !== "");
  const byName = [last.at(-2), last.slice(0, -1).join(".")];
  for (const scope of [...scopes, ...byName]) if (scope !== undefined && layers[scope]) return layers[scope];
  return undefined;
}

/** Module paths of the weights that a node reads. */
function scopesOf({ inputs, origin }: Node, graph: Graph): string[] {
  const names = inputs.filter((i) => graph.parameters.has(i) && i.includes(".")).map((i) => i.slice(0, i.lastIndexOf(".")));
  return [...names, ...(origin.scope === undefined ? [] : [origin.scope])];
}

/**
 * A source's findings with those of its exports: the same rule on the same place is reported once, by the source, and says
 * where else it was seen. `text` is the source's, whose comments silence what is moved onto its lines.
 */
export function merged(own: readonly Finding[], moved: readonly Finding[], text: string | undefined): Finding[] {
  const key = (f: Finding): string => `${f.rule} ${f.range ? placeKey(f.range) : ""}`;
  const seen = new Map(own.map((f) => [key(f), f]));
  const more = new Map<string, Finding>();
  for (const m of moved) {
    const known = seen.get(key(m));
    const last = m.related.at(-1);
    if (known && last) seen.set(key(m), { ...known, related: [...known.related, last] });
    else if (!more.has(key(m))) more.set(key(m), m);
  }
  const left = [...more.values()];
  const kept = text === undefined ? left : suppress(left, readSuppressions(text)).kept;
  return [...own.map((f) => seen.get(key(f)) ?? f), ...kept];
}

/** ONNX files that are looked at for one source, and the size above which a file is left alone. */
const MOST_EXPORTS = 8;
const LARGEST_EXPORT = 200e6;

/** ONNX files in the folder of a source file and in folders in it, the nearest first. */
function exportsBeside(source: string): string[] {
  const folder = path.dirname(source);
  if (!path.isAbsolute(source) || !existsSync(folder)) return [];
  const inside = entriesOf(folder).filter((e) => !/^(?:\.|__|node_modules|site-packages)/.test(path.basename(e)));
  const files = [...inside, ...inside.flatMap((e) => (isFolder(e) ? entriesOf(e) : []))].filter((e) => e.endsWith(".onnx"));
  return files.filter((f) => (statSync(f, { throwIfNoEntry: false })?.size ?? Infinity) <= LARGEST_EXPORT).slice(0, MOST_EXPORTS);
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
      .sort()
      .map((e) => path.join(folder, e));
  } catch {
    return [];
  }
}

function isFolder(entry: string): boolean {
  return statSync(entry, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Loads and lints an ONNX file. */
export type LintedFile = (file: string) => Promise<{ readonly loaded: LoadedFile; readonly findings: readonly Finding[] }>;

/** The exports of a file's models, those that hold most of a model's weights first. Files that cannot be read are none. */
export async function exportsOf(source: LoadedFile, lint: LintedFile): Promise<ExportOf[]> {
  const out: ExportOf[] = [];
  for (const file of source.models.length > 0 ? exportsBeside(source.file) : []) {
    const found = await lint(file).catch(() => undefined);
    const exported = found?.loaded.models[0];
    const best = exported && modelOf(exported.graph, source.models);
    if (!best) continue;
    const name = path.relative(path.dirname(source.file), file);
    out.push({ of: best.model, matched: best.matched, export: { name, file, model: exported, findings: found.findings } });
  }
  return out.sort((a, b) => b.matched - a.matched);
}

/** The graph of a model with the weights of its export, so that what is certified is certified at them. */
export function withWeights(graph: Graph, exported: Graph): Graph {
  const parameters = new Map(graph.parameters);
  for (const [name, p] of graph.parameters) {
    const read = exported.parameters.get(name)?.read;
    if (read && p.read === undefined) parameters.set(name, { ...p, read });
  }
  return { ...graph, parameters };
}
