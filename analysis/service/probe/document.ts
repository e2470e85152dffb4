/** @file A probe of one model of one document, as a server asks for it: everything that crosses processes is plain data. */
import path from "node:path";
import type { ProbeEvent } from "../../probe/record/events";
import type { ProbeRecord } from "../../probe/record/record";
import type { DeviceChoice, TrainingSettings } from "../../probe/types";
import { probeHtml } from "../../report/probe/html";
import { Configured } from "../configured";
import { Loader } from "../models";
import type { LoadedFile, LoadedModel } from "../loaded";
import { measuredFindings } from "./findings";
import { recordsFolder } from "./records";
import { fixSettings } from "../fixes/verify";
import { runProbe } from "./session";
import type { Comparison, Sweep } from "./settings";

/** What may be asked of a probe. What is absent comes from the code, or is the default. */
export interface ProbeChoices {
  /** Updates per run (300). */
  readonly steps?: number;
  /** Runs per setting (4). */
  readonly replicas?: number;
  readonly seed?: number;
  readonly learningRate?: number;
  readonly weightDecay?: number;
  readonly momentum?: number;
  readonly batchSize?: number;
  readonly optimiser?: TrainingSettings["optimiser"];
  /** A file or folder of the user's; made-up data by default. */
  readonly data?: string;
  readonly device?: DeviceChoice;
  /** Values of one setting, each trained by itself. */
  readonly sweep?: Sweep;
  /** Changes to compare with. */
  readonly compare?: readonly Comparison[];
  /** Fixes to compare with, by name; at the layer of a parameter, where one is named. */
  readonly fixes?: readonly { readonly id: string; readonly parameter?: string }[];
  /** Seconds of training (60). */
  readonly budget?: number;
}

/** What is probed, and how. */
export interface DocumentProbe {
  readonly path: string;
  /** Of an open document; absent: the file on disk counts. */
  readonly text?: string;
  /** Class or factory function of a Python file; not needed where it has one model. */
  readonly model?: string;
  /** A configuration file instead of the nearest one; empty for none named. */
  readonly configuration?: string;
  readonly choices: ProbeChoices;
}

/** What a probe of a document answers. */
export interface DocumentProbeAnswer {
  readonly record: ProbeRecord;
  /** The record as a page that stands alone. */
  readonly html: string;
}

/**
 * Loads, trains, measures.
 * @throws Error naming the file and what it has when there is no such model, and what `runProbe` throws
 */
export async function probeDocument(
  probe: DocumentProbe,
  host: { readonly signal?: AbortSignal; readonly onEvent?: (event: ProbeEvent) => void } = {},
): Promise<DocumentProbeAnswer> {
  const { file, model } = await modelOf(probe);
  const { batchSize, budget, fixes = [], learningRate, momentum, optimiser, weightDecay, ...rest } = probe.choices;
  const training = defined({ batchSize, learningRate, momentum, optimiser, weightDecay });
  const { settings, reasons } = await fixSettings(file, model, fixes, { ...rest, training });
  for (const text of reasons) host.onEvent?.({ kind: "note", text });
  if (settings.length === 0 && reasons.length > 0 && !rest.compare && !rest.sweep) throw new Error(reasons.join("\n"));
  const compare = [...(rest.compare ?? []), ...settings];
  const options = {
    ...rest,
    ...kept(probe.path),
    compare,
    training,
    budget: budget === undefined ? undefined : { seconds: budget },
  };
  const facts = file.facts?.();
  const record = await runProbe({ model, ...(facts ? { facts } : {}) }, defined(options), host);
  return { record, html: probeHtml(record, measuredFindings(file, model, record)) };
}

/** Where results are kept: with the file's project, as the command line does. A text that is no file has no place. */
function kept(file: string): { readonly cache?: string; readonly records?: string } {
  if (!path.isAbsolute(file)) return {};
  const records = recordsFolder(file);
  return { records, cache: path.join(path.dirname(records), "probes") };
}

async function modelOf({ configuration: named, model, path: name, text }: DocumentProbe) {
  const configured = new Configured(named === undefined || named === "" ? {} : { configuration: named });
  const { models: calls } = configured.configurationFor(name).configuration;
  const options = calls.length > 0 ? { calls } : {};
  const load = (loader: Loader): Promise<LoadedFile> => (text === undefined ? loader.load(name) : loader.loadPython(name, text));
  const file = await load(new Loader(options));
  let found: readonly LoadedModel[] = model === undefined ? file.models : file.models.filter((m) => m.name === model);
  if (found.length === 0 && model !== undefined && file.language === "python") {
    // A factory function is no model of the file by itself.
    found = (await load(new Loader({ ...options, className: model }))).models;
  }
  const [first, ...more] = found;
  if (!first) {
    const why = file.problems.map((p) => p.message);
    throw new Error([`${name} has no model ${model ?? "that could be made"}`, ...why].join("\n"));
  }
  if (more.length > 0 && model === undefined) {
    throw new Error(`${name} has ${found.length} models; name one of ${found.map((m) => m.name).join(", ")}`);
  }
  return { file, model: first };
}

/** The members that are not undefined. */
function defined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
