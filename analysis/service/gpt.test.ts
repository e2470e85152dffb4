/** @file A single-file GPT with its training script: everything that there is to find, at the place where it is written. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import type { ModelAnalysis } from "../symmetry/analysis";
import { type ChannelSpace, formatAddress } from "../symmetry/symmetry";
import { checkedFile } from "./checked-file";
import type { LoadedFile } from "./loaded";
import { Loader } from "./models";
import { certifyTwin } from "../certification/twin";
import { checkFile } from "../fixes/check";

const FOLDER = path.resolve(import.meta.dirname, "../../testFixtures/python/gpt");
const MODEL = path.join(FOLDER, "model.py");
const source = readFileSync(MODEL, "utf8");

async function load(text = source): Promise<LoadedFile> {
  return new Loader({ analysis: { numeric: false } }).loadPython(MODEL, text);
}

function gpt(file: LoadedFile): ModelAnalysis {
  const model = file.models.find((m) => m.name === "GPT");
  assert.ok(model, "GPT is analysed");
  return model.analysis;
}

/** Where the spaces of a size act. */
function acting(a: ModelAnalysis, size: number): string[][] {
  return a.spaces.filter((s) => s.size === size).map((s: ChannelSpace) => s.acts.map(formatAddress).sort());
}

describe("a single-file GPT", () => {
  let file: LoadedFile;
  let analysis: ModelAnalysis;
  before(async () => {
    file = await load();
    analysis = gpt(file);
  });

  it("is explained whole on its twin, from source", async () => {
    const twin = await certifyTwin(analysis);
    if (typeof twin === "string") assert.fail(twin);
    assert.deepEqual([twin.failed, twin.measured, twin.model.exact], [[], twin.explained, true]);
  });

  it("has nothing opaque and one tied embedding", () => {
    assert.deepEqual(analysis.opaque, []);
    assert.ok(analysis.graph.parameters.has("transformer.wte.weight"));
    assert.ok(!analysis.graph.parameters.has("lm_head.weight"));
  });

  it("has one residual stream through embeddings, blocks and norms", () => {
    const [stream, ...more] = acting(analysis, 32);
    assert.deepEqual(more, []);
    for (const place of [
      "transformer.wte.weight/1",
      "transformer.wpe.weight/1",
      "transformer.h.0.attn.c_attn.weight/1",
      "transformer.h.1.attn.c_proj.weight/0",
      "transformer.h.1.mlp.c_fc.weight/1",
      "transformer.h.0.mlp.c_proj.weight/0",
      "transformer.h.1.ln_2.weight/0",
      "transformer.ln_f.weight/0",
    ]) {
      assert.ok(stream?.includes(place), place);
    }
  });

  it("has heads, and per head a query-key group and a value-output group", () => {
    const heads = acting(analysis, 4);
    assert.equal(heads.length, 2, "one space of heads per block");
    const perHead = analysis.spaces.filter((s) => s.size === 8);
    assert.equal(perHead.length, 4, "queries and keys, values and outputs, in two blocks");
    const first = perHead.map((s) => s.acts.map(formatAddress)).filter((a) => a.some((x) => x.includes("h.0.")));
    const queriesAndKeys = first.find((a) => a.some((x) => x.includes("[0:32]")));
    assert.ok(queriesAndKeys?.some((x) => x.startsWith("transformer.h.0.attn.c_attn.weight/0[32:64]")));
    const values = first.find((a) => a.some((x) => x.startsWith("transformer.h.0.attn.c_attn.weight/0[64:96]")));
    assert.ok(values?.some((x) => x.startsWith("transformer.h.0.attn.c_proj.weight/1")));
    for (const s of perHead) assert.notEqual(s.within, undefined, "a group in each head, independently");
  });

  it("has the hidden units of each MLP", () => {
    assert.deepEqual(
      acting(analysis, 128),
      [0, 1].map((i) => [
        `transformer.h.${i}.mlp.c_fc.bias/0`,
        `transformer.h.${i}.mlp.c_fc.weight/0`,
        `transformer.h.${i}.mlp.c_proj.weight/1`,
      ]),
    );
  });

  it("has the same spaces with attention written out", async () => {
    const manual = gpt(await load(source.replace("flash: bool = True", "flash: bool = False")));
    const spaces = (a: ModelAnalysis) => a.spaces.map((s) => `${s.size} ${s.acts.map(formatAddress).sort().join(" ")}`).sort();
    assert.deepEqual(spaces(manual), spaces(analysis));
  });

  it("has a key bias that does nothing, in both forms of attention", async () => {
    // The fused projection cannot lose a third of its bias, so there is no finding; written apart, there is one.
    const apart = source
      .replace(
        "self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)",
        "self.query = nn.Linear(config.n_embd, config.n_embd)\n        self.key = nn.Linear(config.n_embd, config.n_embd)\n        self.value = nn.Linear(config.n_embd, config.n_embd)",
      )
      .replace("q, k, v = self.c_attn(x).split(self.n_embd, dim=2)", "q, k, v = self.query(x), self.key(x), self.value(x)");
    for (const text of [apart, apart.replace("flash: bool = True", "flash: bool = False")]) {
      const findings = checkFile(checkedFile(await load(text))).filter((f) => f.rule === "inert-key-bias");
      assert.equal(findings.length, 1);
      const [{ range }] = findings as [(typeof findings)[0]];
      assert.equal(text.split("\n")[range!.start.line]!.slice(range!.start.column).startsWith("nn.Linear("), true);
      assert.match(text.split("\n")[range!.start.line]!, /self\.key = /);
    }
  });

  it("puts every layer at its constructor call", () => {
    const model = file.models.find((m) => m.name === "GPT")!;
    const lines = source.split("\n");
    for (const layer of model.layers) {
      const { start } = layer.constructor;
      const text = lines[start.line]!.slice(start.column);
      assert.match(text, /^(?:nn\.\w+|LayerNorm|Block|CausalSelfAttention|MLP)\(/, `${layer.scope}: ${text}`);
    }
    const projections = model.layers.filter((l) => l.scope.endsWith("mlp.c_proj"));
    assert.equal(new Set(projections.map((l) => l.constructor.start.line)).size, 1, "one call makes both");
    assert.equal(projections.length, 2);
  });
});
