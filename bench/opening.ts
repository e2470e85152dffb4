/**
 * @file The child process that opens a large file: it has nothing else in memory, so what it needs can be measured. Prints
 * one line of JSON (`Opening`).
 */
import { checkedFile } from "../analysis/service/checked-file";
import { Loader } from "../analysis/service/models";
import { detect } from "../analysis/rules/registry";

/** What opening a file took. */
export interface Opening {
  /** Milliseconds from the file's name to findings: the first time in this process, and the later ones. */
  readonly first: number;
  readonly later: readonly number[];
  /** Bytes of memory: before, the most while opening, and of the whole process at its peak. */
  readonly before: number;
  readonly peak: number;
  readonly findings: number;
  readonly spaces: number;
}

async function open(file: string): Promise<{ readonly ms: number; readonly findings: number; readonly spaces: number }> {
  const start = performance.now();
  const loaded = await new Loader({ analysis: { numeric: false } }).load(file);
  const findings = detect(checkedFile(loaded)).length;
  return { ms: performance.now() - start, findings, spaces: loaded.models[0]!.analysis.spaces.length };
}

async function main(small: string, file: string, repeats: number): Promise<void> {
  // The code itself is loaded by a look at a small model; that is the editor's situation when the user opens a large one.
  await open(small);
  const before = process.memoryUsage.rss();
  const first = await open(file);
  const peak = 1024 * process.resourceUsage().maxRSS;
  const later: number[] = [];
  for (let i = 0; i < repeats; i++) later.push((await open(file)).ms);
  const out: Opening = { first: first.ms, later, before, peak, findings: first.findings, spaces: first.spaces };
  process.stdout.write(`${JSON.stringify(out)}\n`);
}

const [small, file, repeats] = process.argv.slice(2);
await main(small!, file!, Number(repeats));
