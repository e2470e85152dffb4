/** @file Verified fixes: what is trained for each, what is said of it, and that a fix that does harm is shown as such. */
import assert from "node:assert/strict";
import path from "node:path";
import { after, describe, it } from "node:test";
import { graphRewrites } from "../../fixes/graph/registry";
import { type Offer, offersOf } from "../../fixes/offers";
import { Prober } from "../../probe/probe";
import { verificationText } from "../../report/verification";
import { PLAIN } from "../../report/style";
import { checkedFile } from "../checked-file";
import { loadFile } from "../models";
import { verifyFixes } from "./verify";

const FIXTURES = path.resolve(import.meta.dirname, "../../../testFixtures");
const prober = new Prober();
after(() => prober.dispose());
const quick = { steps: 25, replicas: 3, seed: 1 };

describe("verified fixes", () => {
  it("of source are trained with the fix in the text or in the graph, and told in words", async () => {
    const loaded = await loadFile(path.join(FIXTURES, "fixes/mlp_attributes.py"));
    const { offers } = offersOf(checkedFile(loaded));
    const wanted = ["input-expansion", "syre", "w-asymmetric", "dcs-low-rank"];
    const chosen = wanted.map((id) => offers.find((o) => o.id === id)!);
    const text = loaded.text!;
    const at = text.indexOf("lr=0.1");
    const line = text.slice(0, at).split("\n").length - 1;
    const column = at - text.lastIndexOf("\n", at) - 1;
    const range = { file: loaded.file, start: { line, column: column + 3 }, end: { line, column: column + 6 } };
    const harm: Offer = {
      id: "stop-learning",
      parameters: [],
      fix: { title: "A learning rate of almost nothing", exact: false, edits: [{ range, newText: "1e-6" }] },
    };
    const v = await verifyFixes(loaded, loaded.models[0]!, [...chosen, harm], quick, { prober });
    const of = (id: string) => v.fixes.find((f) => f.id === id)!;
    assert.equal(of("stop-learning").outcome, "worse");
    assert.ok(of("stop-learning").changes.some((c) => c.what === "loss" && c.significant && c.difference.value! > 0));
    assert.equal(of("dcs-low-rank").outcome, "unmeasured");
    assert.match(of("dcs-low-rank").reason!, /cannot be trained/);
    // Groups that are gone are said; measures of units that are not there any more are not compared.
    const masked = of("w-asymmetric");
    assert.ok(
      masked.notes.some((n) => /gone: .*S\(16\)/.test(n)),
      masked.notes.join(),
    );
    assert.ok(!masked.changes.some((c) => c.what === "distinct units"));
    assert.ok(of("syre").changes.some((c) => c.what === "degree of symmetry breaking"));
    assert.ok(of("input-expansion").notes.some((n) => /faster bias/.test(n)));
    const told = verificationText(v, PLAIN);
    assert.match(told, /stop-learning: measures worse/);
    assert.match(told, /dcs-low-rank: not measured/);
  });

  it("of exported models are rewrites, drawn anew", async () => {
    const loaded = await loadFile(path.join(FIXTURES, "zoo/onnx/MlpRelu.onnx"));
    const rewrites = graphRewrites.filter((r) => ["input-expansion", "syre", "fold-norms"].includes(r.id));
    const v = await verifyFixes(
      loaded,
      loaded.models[0]!,
      rewrites.map((rewrite) => ({ rewrite })),
      quick,
      { prober },
    );
    const outcomes = Object.fromEntries(v.fixes.map((f) => [f.id, f.reason ?? f.outcome]));
    // Without training code there is no decay.
    assert.equal(outcomes["syre"], "syre acts through weight decay, and there is none");
    assert.equal(outcomes["fold-norms"], "no gain can be folded");
    assert.ok(v.fixes.find((f) => f.id === "input-expansion")!.changes.length > 0);
  });
});
