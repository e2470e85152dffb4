/** Random elements of everything that is claimed of testFixtures/architectures leave the outputs where they are. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import { createRunner } from "../runtime/index";
import { analyse } from "../symmetry/analyse";
import { certify } from "./certify";

const FOLDER = new URL("../../testFixtures/architectures/", import.meta.url).pathname;
const measured = JSON.parse(readFileSync(`${FOLDER}measured.json`, "utf8")) as Readonly<
  Record<string, { frozen: readonly string[] }>
>;

describe("claims about architectures that no rule was written for", () => {
  const runner = createRunner();
  after(() => runner.dispose());
  for (const file of readdirSync(`${FOLDER}onnx`)) {
    const name = file.replace(".onnx", "");
    it(name, async () => {
      const { graph } = readOnnx({ path: `${FOLDER}onnx/${file}` }, { frozen: measured[name]?.frozen ?? [] });
      const found = analyse(graph, { numeric: false });
      const certificate = await certify(found, { runner });
      assert.equal(certificate.status, "certified", certificate.reason);
      assert.deepEqual(certificate.failed, []);
    });
  }
});
