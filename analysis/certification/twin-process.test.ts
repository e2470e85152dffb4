/** @file Twins in a process of their own: the same answers, and an end at any moment. */
import assert from "node:assert/strict";
import path from "node:path";
import { after, it } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import { analyse } from "../symmetry/analyse";
import { certifyTwin } from "./twin";
import { TwinProcess } from "./twin-process";

const FIXTURES = path.join(import.meta.dirname, "..", "..", "testFixtures");
const modelOf = (name: string) => analyse(readOnnx({ path: path.join(FIXTURES, `${name}.onnx`) }).graph, { numeric: false });
const SMALL = "zoo/onnx/ConvFlatten";
const twins = new TwinProcess();
after(() => twins.dispose());

it("answers what this process would, to several at once", async () => {
  const models = [SMALL, "zoo/onnx/LayerNormMlp"].map(modelOf);
  const elsewhere = await Promise.all(models.map((m) => twins.certify(m)));
  for (const [k, m] of models.entries()) assert.deepEqual(elsewhere[k], await certifyTwin(m));
});

it("is ended when nobody waits any more, and begins again", async () => {
  const controller = new AbortController();
  const aborted = twins.certify(modelOf("models/resnet50"), { signal: controller.signal });
  const other = twins.certify(modelOf(SMALL));
  setTimeout(() => controller.abort(new Error("not now")), 200);
  await assert.rejects(aborted, /not now/);
  await assert.rejects(other, /the process that looks at the twin was ended/);
  await assert.rejects(twins.certify(modelOf(SMALL), { signal: AbortSignal.abort(new Error("never")) }), /never/);
  const found = await twins.certify(modelOf(SMALL));
  assert.equal(typeof found === "object" && found.measured, typeof found === "object" && found.explained);
});

it("says what goes wrong over there", async () => {
  const model = modelOf(SMALL);
  const broken = { ...model.normal, nodes: model.normal.nodes.map((n) => ({ ...n, inputs: ["nowhere"] })) };
  const outcome = twins.certify({ ...model, normal: broken }).then(String, (error: Error) => error.message);
  assert.equal(await outcome, await certifyTwin({ ...model, normal: broken }).then(String, (error: Error) => error.message));
});
