/**
 * @file Records of probes, kept in the project: rules, hovers and risks use what a probe measured as long as the model and the
 * settings in its code are what was probed.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { MeasuredSymmetry } from "../../dynamics/risk/measured";
import type { Graph } from "../../graph/graph";
import type { Measured, ProbeRecord } from "../../probe/record/record";
import type { TrainingSettings } from "../../probe/types";
import { graphKey } from "../graph-key";
import { projectFolder } from "../python-host";

/** Changes when records of earlier versions are no longer read. */
const VERSION = 1;

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the records of a file's models are: in `NOETHER_CACHE_DIR`, or in the cache folder of the file's project. */
export function recordsFolder(file: string, environment: Environment = process.env): string {
  const own = path.dirname(path.resolve(file));
  const cache = environment["NOETHER_CACHE_DIR"] ?? path.join(projectFolder(own) ?? own, ".noether-cache");
  return path.join(cache, "records");
}

/** A model with the settings that its code trains it with. */
export interface RecordedModel {
  readonly graph: Graph;
  /** Those of the code, without what a command line overrides. */
  readonly training: TrainingSettings;
}

/** Keeps a record. A folder that cannot be written is no reason to lose a probe. */
export function keepRecord(folder: string, model: RecordedModel, record: ProbeRecord): void {
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(path.dirname(folder), ".gitignore"), "*\n");
    const file = path.join(folder, `${keyOf(model)}.json`);
    const unfinished = `${file}.${process.pid}`;
    writeFileSync(unfinished, JSON.stringify(record));
    renameSync(unfinished, file);
  } catch {
    // The next probe writes it.
  }
}

/** The folder with the records of a file's models; undefined where there are none. */
export function recordsOf(file: string): string | undefined {
  const folder = recordsFolder(file);
  return hasRecords(folder) ? folder : undefined;
}

/** The last record of a model in a folder. */
export function findRecord(folder: string, model: RecordedModel): ProbeRecord | undefined {
  return read(path.join(folder, `${keyOf(model)}.json`));
}

/** Changes whenever a record is added: what caches of findings depend on. */
export function recordsStamp(folder: string): string {
  const stat = statSync(folder, { throwIfNoEntry: false });
  return stat ? String(stat.mtimeMs) : "";
}

function hasRecords(folder: string): boolean {
  try {
    return readdirSync(folder).some((f) => f.endsWith(".json"));
  } catch {
    return false;
  }
}

const graphKeys = new WeakMap<Graph, string>();

function keyOf({ graph, training }: RecordedModel): string {
  let key = graphKeys.get(graph);
  if (key === undefined) {
    key = graphKey(graph);
    graphKeys.set(graph, key);
  }
  // JSON has no infinity; a norm that is not clipped is null there.
  return createHash("sha256")
    .update(JSON.stringify([VERSION, key, training]))
    .digest("hex")
    .slice(0, 40);
}

const known = new Map<string, { readonly state: string; readonly record: ProbeRecord | undefined }>();

function read(file: string): ProbeRecord | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) return undefined;
  const state = `${stat.mtimeMs} ${stat.size}`;
  const before = known.get(file);
  if (before?.state === state) return before.record;
  let record: ProbeRecord | undefined;
  try {
    const found = JSON.parse(readFileSync(file, "utf8")) as ProbeRecord;
    record = found.schema === 1 && found.settings.length > 0 ? found : undefined;
  } catch {
    // Damaged: as if there were none.
  }
  known.set(file, { state, record });
  return record;
}

const measures = new WeakMap<ProbeRecord, readonly MeasuredSymmetry[]>();

/** What a record measured with the author's own setting, as collapse risks read it; the same array for the same record. */
export function measuredSymmetries(record: ProbeRecord): readonly MeasuredSymmetry[] {
  let list = measures.get(record);
  if (!list) {
    list = (record.settings[0]?.symmetries ?? []).map(({ symmetry, units, ranks, verdict }) => ({
      symmetry,
      ...(units
        ? {
            units: { units: units.units, dead: estimated(units.dead), duplicates: estimated(units.duplicates) },
          }
        : {}),
      ...(ranks ? { ranks: { full: ranks.full, numerical: estimated(ranks.numerical) } } : {}),
      ...(verdict
        ? {
            verdict: { kind: verdict.kind, driver: verdict.driver, start: estimated(verdict.start), end: estimated(verdict.end) },
          }
        : {}),
    }));
    measures.set(record, list);
  }
  return list;
}

function estimated({ value, error, replicas }: Measured) {
  return { value: value ?? Number.NaN, error: error ?? Number.NaN, replicas };
}
