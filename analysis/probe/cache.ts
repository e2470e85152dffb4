/** @file Results of probes on disk, by everything that they depend on. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { deserialize, serialize } from "node:v8";
import type { Attribute, Graph } from "../graph/graph";
import type { CompactRecording } from "./memory";
import type { DeviceReport, ProbeRequest } from "./types";

/** Changes when results of the same request may. */
const VERSION = 2;

/** What a training left behind: all of a result that is not made from the request itself. */
export interface RawRun {
  readonly setting: string;
  readonly replica: number;
  readonly seed: number;
  readonly losses: Float64Array;
  readonly norms: Float64Array;
  readonly recordings: readonly CompactRecording[];
  readonly evaluation: { readonly loss: number; readonly accuracy?: number } | undefined;
}

/** A cached result. */
export interface CachedProbe {
  readonly runs: readonly RawRun[];
  readonly device: DeviceReport;
  readonly data: { readonly description: string; readonly examples: number };
  readonly notes: readonly string[];
  readonly seconds: number;
}

/** A name for the request: equal only where graph, settings, data and everything else are. */
export function requestKey(request: ProbeRequest): string {
  const hash = createHash("sha256");
  const { graph, cache: _cache, settings, data, ...rest } = request;
  const write = (value: unknown): void => {
    if (ArrayBuffer.isView(value)) hash.update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    else if (value instanceof Map) for (const [k, v] of value) write([k, v]);
    else if (Array.isArray(value)) {
      hash.update(`[${value.length}`);
      for (const v of value) write(v);
    } else if (typeof value === "object" && value !== null) {
      for (const [k, v] of Object.entries(value)) if (typeof v !== "function") write([k, v]);
    } else hash.update(`${typeof value}:${String(value)};`);
  };
  write(VERSION);
  writeGraph(graph, write);
  for (const { graph: own, ...setting } of settings) {
    if (own) writeGraph(own, write);
    write(setting);
  }
  write(data);
  if (data.kind === "path") {
    write(contentOf(data.path));
  }
  write(rest);
  return hash.digest("hex").slice(0, 40);
}

/** Files of up to so many bytes are told apart by what is in them, larger ones and images by size and time. */
const LARGEST_READ = 64 * 2 ** 20;

/** What the user's data are: the bytes of a file, or what lies in a folder and the folders in it. */
function contentOf(place: string): unknown {
  const stat = statSync(place, { throwIfNoEntry: false });
  if (!stat) return "missing";
  if (!stat.isDirectory()) return stat.size <= LARGEST_READ ? readFileSync(place) : [stat.size, stat.mtimeMs];
  return readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => {
      const file = path.join(e.parentPath, e.name);
      const { size, mtimeMs } = statSync(file);
      return [file, size, mtimeMs];
    })
    .sort((a, b) => (a[0]! < b[0]! ? -1 : 1));
}

/** The computation and how its parameters start; origins do not count. */
function writeGraph(graph: Graph, write: (value: unknown) => void): void {
  const attribute = (a: Attribute): void => {
    if (typeof a === "object" && "nodes" in a) writeGraph(a, write);
    else write(a);
  };
  write([graph.opset, graph.inputs, graph.outputs]);
  for (const n of graph.nodes) {
    write([n.operator, n.domain, n.inputs, n.outputs]);
    for (const [name, a] of Object.entries(n.attributes)) {
      write(name);
      attribute(a);
    }
  }
  for (const p of graph.parameters.values()) {
    const { scheme, constant, std } = p.initialisation ?? { scheme: "default" };
    write([p.name, p.type, p.shape, p.trainable, scheme, constant, std]);
  }
  write(graph.constants);
}

/** A result from the cache; undefined where there is none that can be read. */
export function readCache(folder: string, key: string): CachedProbe | undefined {
  try {
    return deserialize(readFileSync(path.join(folder, `${key}.probe`))) as CachedProbe;
  } catch {
    return undefined;
  }
}

/** Keeps a result. A cache that cannot be written is no reason to lose a probe. */
export function writeCache(folder: string, key: string, result: CachedProbe): void {
  try {
    mkdirSync(folder, { recursive: true });
    const file = path.join(folder, `${key}.probe`);
    const unfinished = `${file}.${process.pid}`;
    writeFileSync(unfinished, serialize(result));
    renameSync(unfinished, file);
  } catch {
    // Nothing is lost but time.
  }
}
