/** @file The reports of many files: from the cache what has not changed, the rest by several processes when it pays. */
import { fork } from "node:child_process";
import { statSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { FileReport, Linter } from "../service/linter";
import { recordsFolder, recordsStamp } from "../service/probe/records";
import type { CheckArguments } from "./arguments/check";
import { openCache } from "./cache";
import { cacheFolder } from "./cache-folder";
import { PART } from "./part-argument";
import type { Console } from "./console";
import { version } from "./version";

/** Starting a process costs about as much as checking this many files. */
const FILES_PER_PROCESS = 24;

/** What a process is asked: lint these files in the given way. */
export interface PartRequest {
  readonly files: readonly string[];
  readonly args: CheckArguments;
}

/** Lints files, in the order given. */
export async function reportsOf(
  args: CheckArguments,
  files: readonly string[],
  linter: Linter,
  { environment, program }: Console,
): Promise<FileReport[]> {
  const said = JSON.stringify([args.configuration, [...args.rules], environment["NOETHER_TEXTS"]]);
  // Rules that judge measures depend on the probes that were run meanwhile.
  const probes = (f: string): string => recordsStamp(recordsFolder(f));
  const folder = args.cacheFolder ?? cacheFolder(environment);
  const cache = args.cache
    ? openCache(folder, `${version()} ${build(program)} ${said}`, (f) => linter.configurationFor(f).configuration.files, probes)
    : undefined;
  const known = new Map<string, FileReport>();
  for (const file of files) {
    const report = cache?.get(file);
    if (report) known.set(file, report);
  }
  const rest = files.filter((f) => !known.has(f));
  const processes = Math.min(args.jobs ?? availableParallelism(), Math.floor(rest.length / FILES_PER_PROCESS));
  const fresh =
    processes > 1 && program !== undefined ? await inProcesses(program, args, rest, processes) : await inTurn(rest, linter);
  for (const report of fresh) {
    known.set(report.file, report);
    cache?.set(report);
  }
  cache?.save();
  return files.map((f) => known.get(f)!);
}

/** Tells builds of one version apart. */
function build(program: string | undefined): string {
  const stat = program === undefined ? undefined : statSync(program, { throwIfNoEntry: false });
  return `${stat?.mtimeMs} ${stat?.size}`;
}

/** Lints one file after the other. */
export async function inTurn(files: readonly string[], linter: Linter): Promise<FileReport[]> {
  const out: FileReport[] = [];
  for (const file of files) out.push(await linter.lint(file));
  return out;
}

/** Neighbours go to one process, since they import the same files. */
async function inProcesses(
  program: string,
  args: CheckArguments,
  files: readonly string[],
  processes: number,
): Promise<FileReport[]> {
  const share = Math.ceil(files.length / processes);
  const parts = Array.from({ length: processes }, (_, i) => files.slice(i * share, (i + 1) * share)).filter((p) => p.length > 0);
  return (await Promise.all(parts.map((part) => inProcess(program, { files: part, args })))).flat();
}

function inProcess(program: string, request: PartRequest): Promise<FileReport[]> {
  return new Promise((resolve, reject) => {
    // Whoever lints many files makes many short-lived objects (server/hosts.ts says more).
    const execArgv = [...process.execArgv, "--max-semi-space-size=64"];
    const part = fork(program, [PART], { serialization: "advanced", execArgv });
    part.once("message", (reports) => resolve(reports as FileReport[]));
    part.once("error", reject);
    part.once("exit", (code, signal) => {
      reject(new Error(`a part of the check ended (${signal ?? `code ${code}`}) before it answered; try --jobs 1`));
    });
    part.send(request);
  });
}
