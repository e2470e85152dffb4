/** @file The same class from Python and from its ONNX export: the same symmetries. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { readOnnx } from "../frontends/onnx";
import { loadPythonParser, type PythonFile, PythonProject } from "../frontends/python";
import { analyse } from "./analyse";
import type { ModelAnalysis } from "./analysis";
import { formatAddress } from "./symmetry";

const ZOO = path.join(__dirname, "..", "..", "testFixtures", "zoo");
const rows = Object.entries(
  JSON.parse(readFileSync(path.join(ZOO, "truth.json"), "utf8")) as Record<string, { onnx: string; frozen?: string[] }>,
);

/** What must not depend on the front end. */
function claims(a: ModelAnalysis): unknown {
  return {
    parameters: a.parameters,
    continuous: a.continuous,
    opaque: a.opaque,
    swaps: a.swaps,
    spaces: a.spaces.map((s) => `${s.size} ${s.group}: ${s.acts.map(formatAddress).sort().join(" ")}`).sort(),
  };
}

describe("the zoo, from Python and from ONNX", () => {
  let file: PythonFile;

  before(async () => {
    const source = path.join(ZOO, "zoo.py");
    const read = (p: string) => (existsSync(p) ? readFileSync(p, "utf8") : undefined);
    const project = new PythonProject(await loadPythonParser(), { read, exists: existsSync });
    project.update(source, readFileSync(source, "utf8"));
    file = project.analyse(source);
  });

  for (const [name, row] of rows) {
    it(name, () => {
      const model = file.models.find((m) => m.name === name);
      assert.ok(model, `${name} is analysed`);
      const { graph } = readOnnx({ path: path.join(ZOO, row.onnx) }, row.frozen ? { frozen: row.frozen } : {});
      assert.deepEqual(claims(analyse(model.graph)), claims(analyse(graph)));
    });
  }
});
