/**
 * @file Finds the Python class that an ONNX file was exported from: exporters keep the names of weights, so a class of the
 * workspace whose weights have the same names and shapes is where its layers were written.
 */
import { readFileSync, statSync } from "node:fs";
import type { Graph, Parameter } from "../graph/graph";
import type { SourceRange } from "../graph/source";
import type { LoadedModel } from "./loaded";
import type { Loader } from "./models";
import { WorkspaceIndex } from "./workspace-index";

/** Where the layers of an ONNX file are written. */
export interface SourceMatch {
  /** The Python file and the class in it. */
  readonly file: string;
  readonly model: string;
  /** How many of the file's weights have a namesake of the same shape, of how many. */
  readonly matched: number;
  readonly of: number;
  /** The call that makes each layer and each module that holds layers, by module path. */
  readonly layers: Readonly<Record<string, SourceRange>>;
  /** The class statement. */
  readonly range?: SourceRange;
}

/** How many named weights of an export have a namesake of the same shape in a source, of how many. */
export interface Namesakes {
  readonly matched: number;
  readonly of: number;
}

/** Named weights of an exported network; those that an exporter computed have no names of the source. */
function named(exported: Graph): Parameter[] {
  return [...exported.parameters.values()].filter((p) => p.trainable && /[.]/.test(p.name) && !p.name.includes("::"));
}

/** The namesakes of an exported network's weights in a source. */
export function namesakes(exported: Graph, source: Graph): Namesakes {
  const wanted = named(exported);
  return { matched: wanted.filter((p) => isNamesake(p, source.parameters.get(p.name))).length, of: wanted.length };
}

/** Whether so many namesakes make a match. */
export function isMatch({ matched, of }: Namesakes): boolean {
  return matched > 0 && matched >= ENOUGH * of;
}

/** Share of the weights that must have a namesake. */
const ENOUGH = 0.6;
/** Python files that are read whole, those that mention most of the model's attributes first. */
const MOST_READ = 8;
const LARGEST_FILE = 500_000;

/**
 * The best match among the classes of some folders; undefined where none is good enough. Nothing is executed.
 * @param graph the network of the ONNX file
 */
export async function matchSource(graph: Graph, folders: readonly string[], loader: Loader): Promise<SourceMatch | undefined> {
  const wanted = named(graph);
  if (wanted.length === 0) return undefined;
  const attributes = [...new Set(wanted.flatMap((p) => p.name.split(".").slice(0, -1)))].filter((a) => !/^\d+$/.test(a));
  const ranked = candidates(folders, attributes);
  let best: { readonly model: LoadedModel; readonly matched: number } | undefined;
  for (const file of ranked.slice(0, MOST_READ)) {
    const loaded = await loader.load(file).catch(() => undefined);
    for (const model of loaded?.models ?? []) {
      const { matched } = namesakes(graph, model.graph);
      if (matched > (best?.matched ?? 0)) best = { model, matched };
    }
    if (best?.matched === wanted.length) break;
  }
  if (!best || !isMatch({ matched: best.matched, of: wanted.length })) return undefined;
  const { model, matched } = best;
  return {
    file: model.file,
    model: model.name,
    matched,
    of: wanted.length,
    layers: Object.fromEntries([...(model.inventory?.made ?? []), ...model.layers.map((l) => [l.scope, l.constructor] as const)]),
    ...(model.range ? { range: model.range } : {}),
  };
}

function isNamesake(a: Parameter, b: Parameter | undefined): boolean {
  return b !== undefined && a.shape.length === b.shape.length && a.shape.every((n, i) => n === b.shape[i]);
}

/** Python files that mention attributes of the model, most first. */
function candidates(folders: readonly string[], attributes: readonly string[]): string[] {
  const found = new Map<string, number>();
  for (const folder of folders) {
    for (const file of new WorkspaceIndex(folder).files()) {
      if (found.has(file) || (statSync(file, { throwIfNoEntry: false })?.size ?? Infinity) > LARGEST_FILE) continue;
      let text: string;
      try {
        text = readFileSync(file, "utf8");
      } catch {
        continue;
      }
      const names = new Set(text.match(/[A-Za-z_]\w*/g));
      const share = attributes.filter((a) => names.has(a) || names.has(a.replace(/\d+$/, ""))).length / attributes.length;
      if (share >= 0.5) found.set(file, share);
    }
  }
  return [...found].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([file]) => file);
}
