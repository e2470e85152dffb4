import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { build } from "esbuild";
import { readOnnx, writeOnnx } from "../frontends/onnx";
import type { Graph } from "../graph/graph";
import { int64Vector, type Tensor } from "../graph/tensor";
import { createRunner, RunCancelled, type Runner, RuntimeFailure } from "./index";
import { toWire } from "./values";

const folder = mkdtempSync(join(tmpdir(), "noether-runner-"));
const runners: Runner[] = [];
function runner(options: Parameters<typeof createRunner>[0]): Runner {
  const made = createRunner(options);
  runners.push(made);
  return made;
}
after(() => {
  for (const r of runners) r.dispose();
  rmSync(folder, { recursive: true });
});

const { graph } = readOnnx({ path: join("testFixtures", "zoo", "onnx", "MlpRelu.onnx") });
const model = writeOnnx(graph);
const x: Tensor = { type: "float32", shape: [8, 4], data: Float64Array.from({ length: 32 }, (_, i) => Math.fround(Math.sin(i))) };
const feeds = new Map([["x", x]]);

/** y = x multiplied by w again and again: runs for hours. */
function endless(): Uint8Array {
  const node = (operator: string, inputs: string[], outputs: string[], attributes = {}) =>
    ({ name: outputs[0]!, operator, domain: "", inputs, outputs, attributes, origin: {} }) as const;
  const nothing = { parameters: new Map(), constants: new Map(), types: new Map() };
  const body: Graph = {
    ...nothing,
    name: "body",
    opset: 17,
    inputs: [
      { name: "i", type: "int64", shape: [] },
      { name: "more", type: "bool", shape: [] },
      { name: "h", type: "float32", shape: [64, 64] },
    ],
    outputs: ["again", "next"],
    nodes: [node("MatMul", ["h", "h"], ["hh"]), node("Tanh", ["hh"], ["next"]), node("Identity", ["more"], ["again"])],
    types: new Map([
      ["again", { type: "bool", shape: [] }],
      ["next", { type: "float32", shape: [64, 64] }],
    ]),
  };
  return writeOnnx({
    ...nothing,
    name: "endless",
    opset: 17,
    inputs: [{ name: "x", type: "float32", shape: [64, 64] }],
    outputs: ["y"],
    nodes: [node("Loop", ["n", "", "x"], ["y"], { body })],
    constants: new Map([["n", { ...int64Vector([2 ** 50]), shape: [] }]]),
  });
}
const square: Tensor = { type: "float32", shape: [64, 64], data: new Float64Array(4096).fill(0.01) };

const wires = (tensors: readonly (readonly [string, Tensor])[]) =>
  Object.fromEntries(tensors.map(([name, t]) => [name, toWire(t)]));

test("a child process and this process compute the same", async () => {
  const a = await runner({ kind: "child" }).run(model, feeds);
  const b = await runner({ kind: "in-process" }).run(model, feeds);
  assert.equal(a.get("y")!.data.length, 24);
  assert.deepEqual(a, b);
});

test("bound feeds stay, feeds of a run override them once", async () => {
  const bytes = writeOnnx(graph, new Map(), { parametersAsInputs: true });
  for (const kind of ["child", "in-process"] as const) {
    const session = await runner({ kind }).open(bytes);
    const weights = new Map([...graph.parameters].map(([name, p]) => [name, p.read!()!]));
    await session.bind(wires([...feeds, ...weights]));
    const first = await session.run(new Map());
    const bias = weights.get("fc3.bias")!;
    const second = await session.run(new Map([["fc3.bias", { ...bias, data: bias.data.map((v) => v + 1) }]]));
    assert.deepEqual(await session.run(new Map()), first);
    first.get("y")!.data.forEach((v, i) => assert.ok(Math.abs(second.get("y")!.data[i]! - v - 1) < 1e-5));
    await session.close();
  }
});

test("a signal ends a run that would take hours; the runner and its other sessions go on", async () => {
  const r = runner({ kind: "child" });
  const other = await r.open(writeOnnx(graph, new Map(), { parametersAsInputs: true }));
  await other.bind(wires([...feeds, ...[...graph.parameters].map(([name, p]) => [name, p.read!()!] as const)]));
  const before = await other.run(new Map());

  const long = await r.open(endless());
  const cancel = new AbortController();
  const running = long.run(new Map([["x", square]]), { signal: cancel.signal });
  const waiting = other.run(new Map());
  setTimeout(() => cancel.abort(), 50);
  await assert.rejects(running, RunCancelled);
  assert.deepEqual(await waiting, before);
  await assert.rejects(r.run(model, feeds, { signal: AbortSignal.abort() }), RunCancelled);
  assert.deepEqual((await r.run(model, feeds)).get("y"), before.get("y"));
  await long.close();
  await other.close();
});

test("what ONNX Runtime refuses is a failure with its reason, and leaves the child alive", async () => {
  const r = runner({ kind: "child" });
  for (const each of [r, runner({ kind: "in-process" })]) {
    const fails = (p: Promise<unknown>, message: RegExp) =>
      assert.rejects(p, (e: unknown) => e instanceof RuntimeFailure && e.reason === "model" && message.test(e.message));
    await fails(each.run(Uint8Array.of(1, 2, 3), feeds), /protobuf/i);
    await fails(each.run(model, new Map()), /'x'/);
    await fails(each.run(model, new Map([["x", { ...x, shape: [4, 8] }]])), /dimension/i);
    await each.run(model, feeds);
  }
});

test("a child that dies says how; the next request gets a new one", async () => {
  const worker = join(folder, "dies.js");
  writeFileSync(worker, 'process.on("message", () => { console.error("out of luck"); setTimeout(() => process.exit(3), 20); });');
  const r = runner({ kind: "child", workerPath: worker });
  for (let i = 0; i < 2; i++) {
    await assert.rejects(
      r.run(model, feeds),
      (e: unknown) => e instanceof RuntimeFailure && /ended with code 3.*out of luck/s.test(e.message),
    );
  }
  await assert.rejects(runner({ kind: "child", workerPath: join(folder, "absent.js") }).run(model, feeds), RuntimeFailure);
});

/** Output of a script in a process that lacks ONNX Runtime's native library, and its WebAssembly build if told so. */
function withoutNative(script: string, missing?: "onnxruntime-web"): string {
  const broken = join(folder, "broken.cjs");
  const resolve = `export const resolve = (name, context, next) => { if (name === "${missing}") throw new Error("not installed"); return next(name, context); };`;
  writeFileSync(
    broken,
    `const M = require("node:module");
     const load = M._load;
     M._load = function (name, ...rest) { if (String(name).endsWith("onnxruntime_binding.node")) throw new Error("no such library"); return load.call(this, name, ...rest); };
     M.register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(resolve)}`)});`,
  );
  const file = join(import.meta.dirname ?? __dirname, script);
  return execFileSync(process.execPath, ["--require", broken, "--import", "tsx", file], { encoding: "utf8" });
}

test("without any ONNX Runtime the reason is said", () => {
  assert.match(
    withoutNative("unavailable.fixture.ts", "onnxruntime-web"),
    /^unavailable: ONNX Runtime cannot be loaded on .*no such library/,
  );
});

test("without the native library WebAssembly computes the same", async () => {
  const said = JSON.parse(withoutNative("wasm.fixture.ts")) as { cpu: string; y: number[] };
  assert.equal(said.cpu, "wasm");
  const native = (await runner({ kind: "in-process" }).run(model, feeds)).get("y")!;
  assert.equal(said.y.length, native.data.length);
  said.y.forEach((v, i) => assert.ok(Math.abs(v - native.data[i]!) < 1e-5 * Math.max(1, Math.abs(v))));
});

test("the worker runs as a bundle", async () => {
  const outfile = join(process.cwd(), "out", `worker-test-${process.pid}.js`);
  await build({
    entryPoints: [join("analysis", "runtime", "worker.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    external: ["onnxruntime-node"],
    logLevel: "error",
  });
  try {
    const a = await runner({ kind: "child", workerPath: outfile }).run(model, feeds);
    assert.deepEqual(a, await runner({ kind: "in-process" }).run(model, feeds));
  } finally {
    rmSync(outfile);
  }
});
