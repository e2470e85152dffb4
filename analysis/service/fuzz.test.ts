/**
 * @file Bad input to all of Noether: damaged files, graphs that make no sense and broken Python go through reading,
 * analysis, rules, hovers and reports. What comes out is an answer or a clear error of our own, never another exception or a
 * hang. NOETHER_FUZZ sets the number of cases of each kind (`npm run fuzz` takes 10,000), NOETHER_FUZZ_SEED the seed.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { OnnxError, readOnnx } from "../frontends/onnx/index";
import { GraphError } from "../graph/error";
import type { Graph } from "../graph/graph";
import { Random } from "../numerics/random";
import { inferShapes } from "../operators/inference";
import { modelJson } from "../report/json";
import { modelText } from "../report/text";
import { detect } from "../rules/registry";
import { analyse } from "../symmetry/analyse";
import { hoversOf } from "./hover";
import { checkedFile } from "./checked-file";
import type { LoadedFile } from "./loaded";
import { createAnalysisService } from "./service";
import { mutateBytes, mutateGraph, mutateText } from "./testing/mutations";

const CASES = Number(process.env["NOETHER_FUZZ"] ?? 0);
const SEED = Number(process.env["NOETHER_FUZZ_SEED"] ?? 20_251_122);
/** Milliseconds that no case takes on any machine; one that hangs takes for ever. */
const HANG = 60_000;
/** Bytes that the process may grow to: no case makes tables of the sizes that it names. */
const MOST_MEMORY = 3e9;

/** What JavaScript says when a program has a mistake. */
const INTERNAL =
  /Cannot (read properties|set properties|use 'in'|destructure|mix)|is not a (function|constructor)|Maximum call stack|Invalid (array|typed array|string) length|allocation failed|\[object/;

const FOLDERS = ["zoo/onnx", "onnx-features"];
const files = FOLDERS.flatMap((folder) =>
  readdirSync(`testFixtures/${folder}`)
    .filter((f) => f.endsWith(".onnx"))
    .map((f) => `testFixtures/${folder}/${f}`),
);
const bytes = files.map((f) => readFileSync(f));
const graphs = files.map((f) => withoutWeights(readOnnx({ path: f }).graph));
const texts = ["testFixtures/zoo/zoo.py", "testFixtures/python/demo.py", "testFixtures/python/gpt/model.py"].flatMap(pieces);

/** The graph with weights that must not be read: no engine looks at a file's weights. */
function withoutWeights(graph: Graph): Graph {
  const read = () => {
    throw new Error("the weights were read");
  };
  return { ...graph, parameters: new Map([...graph.parameters].map(([name, p]) => [name, { ...p, read }])) };
}

/** Classes of a file one by one, with its imports: one case is small then. */
function pieces(file: string): string[] {
  const [head, ...classes] = readFileSync(file, "utf8").split(/\n(?=class )/);
  const imports = head!
    .split("\n")
    .filter((l) => /^(import|from) /.test(l))
    .join("\n");
  return classes.map((c) => `${imports}\n${c}`);
}

let folder = "";
before(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "noether-fuzz-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs one case; anything but success and the allowed errors ends the test with the case's number. */
async function run(kind: string, k: number, allowed: readonly (new (...values: never[]) => Error)[], work: () => unknown) {
  const start = performance.now();
  try {
    await work();
  } catch (error) {
    const isAllowed = allowed.some((type) => error instanceof type) && !INTERNAL.test((error as Error).message);
    if (!isAllowed) throw new Error(`${kind} ${k} of seed ${SEED} ended in ${(error as Error).stack}`, { cause: error });
    return false;
  } finally {
    assert.ok(performance.now() - start < HANG, `${kind} ${k} of seed ${SEED} took too long`);
  }
  return true;
}

/** Everything that is made of one graph. */
function throughAll(graph: Graph, numeric: boolean): void {
  const analysis = analyse(graph, { numeric });
  for (const note of analysis.notes) assert.doesNotMatch(note, INTERNAL);
  assert.ok(!analysis.notes.some((note) => note.includes("weights were read")));
  const model = { name: "model", file: "model.onnx", notes: [], layers: [], graph, analysis };
  const file: LoadedFile = { file: "model.onnx", language: "onnx", models: [model], problems: [] };
  detect(checkedFile(file));
  hoversOf("model.onnx", file.models);
  modelText(model, { width: 100 });
  JSON.stringify(modelJson(model));
}

const graphCases = CASES || 250;
test(`${graphCases} graphs that make no sense`, async () => {
  let done = 0;
  for (let k = 0; k < graphCases; k++) {
    const random = new Random(SEED + k);
    const graph = mutateGraph(random, graphs);
    // Half of them with the types that follow, half with the types that they claim to have.
    const typed = random.integer(2) === 0 ? () => inferShapes(graph).graph : () => graph;
    if (await run("graph", k, [GraphError], () => throughAll(typed(), k % 100 === 0))) done++;
  }
  assert.ok(done > graphCases / 2, `${done} of ${graphCases} graphs were analysed`);
  assert.ok(1024 * process.resourceUsage().maxRSS < MOST_MEMORY);
});

const fileCases = CASES || 300;
test(`${fileCases} damaged ONNX files`, async () => {
  const service = createAnalysisService();
  let answered = 0;
  for (let k = 0; k < fileCases; k++) {
    const file = path.join(folder, `case-${k}.onnx`);
    const damaged = mutateBytes(new Random(SEED + k), bytes);
    if (k % 2 === 0) {
      const isRead = await run("file", k, [OnnxError, GraphError], () =>
        throughAll(readOnnx({ name: file, bytes: damaged }).graph, false),
      );
      if (isRead) answered++;
      continue;
    }
    writeFileSync(file, damaged);
    await run("file for the service", k, [], async () => {
      const answer = await service.analyseOnnx(file);
      for (const { message } of answer.problems) assert.doesNotMatch(message, INTERNAL);
      if (answer.models.length > 0) answered++;
    });
    rmSync(file);
  }
  service.dispose();
  assert.ok(answered > fileCases / 20 && answered < fileCases, `${answered} of ${fileCases} files were analysed`);
});

const textCases = CASES || 60;
test(`${textCases} damaged Python files`, async () => {
  let service = createAnalysisService();
  const file = path.join(folder, "model.py");
  let models = 0;
  for (let k = 0; k < textCases; k++) {
    const text = mutateText(new Random(SEED + k), texts);
    await run("text", k, [], async () => {
      const answer = await service.analysePython(file, text);
      for (const { message } of answer.problems) assert.doesNotMatch(message, INTERNAL);
      models += answer.models.length;
    });
    if (k % 500 !== 499) continue;
    service.dispose();
    service = createAnalysisService();
  }
  service.dispose();
  assert.ok(models > textCases / 10, `${models} models were found`);
});
