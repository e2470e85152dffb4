import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { Linter } from "./linter";
import { mergedReports } from "./merge-reports";
import { createAnalysisService } from "./service";

const FIXTURES = path.resolve(import.meta.dirname, "../../testFixtures/exports");
const TEXT = readFileSync(path.join(FIXTURES, "net.py"), "utf8");
const lineOf = (text: string): number => TEXT.slice(0, TEXT.indexOf(text)).split("\n").length - 1;

describe("a source and its exports", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "noether-exports-"));
    mkdirSync(path.join(folder, "exported"));
    for (const f of ["folded.onnx", "unfolded.onnx"]) copyFileSync(path.join(FIXTURES, f), path.join(folder, "exported", f));
    copyFileSync(path.join(FIXTURES, "net.py"), path.join(folder, "net.py"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const files = (...names: string[]) => names.map((n) => path.join(folder, n));
  const lint = async (paths: readonly string[]) => {
    const linter = new Linter();
    const reports = [];
    for (const f of paths) reports.push(await linter.lint(f));
    return mergedReports(reports);
  };

  it("are told once, on the lines of the source", async () => {
    const [source, ...exported] = await lint(files("net.py", "exported/folded.onnx", "exported/unfolded.onnx"));
    assert.deepEqual(
      exported.map((r) => r.findings.length),
      [0, 0],
    );
    const found = source!.findings.map((f) => `${f.rule} ${f.range!.start.line}`).sort();
    assert.deepEqual(found, [`batch-norm-folded ${lineOf("nn.Conv2d(3")}`, `bias-before-norm ${lineOf("nn.Conv2d(4")}`]);
    const bias = source!.findings.find((f) => f.rule === "bias-before-norm")!;
    assert.equal(bias.related.at(-1)?.label, `found in its export ${path.join("exported", "unfolded.onnx")}`);
    assert.equal(bias.fixes.length > 0, true, "the source's own finding keeps its fixes");
    assert.match(source!.findings.find((f) => f.rule === "batch-norm-folded")!.message, /^in its export exported.folded\.onnx: /);
  });

  it("are silenced by the source's comments", async () => {
    const silenced = TEXT.replace(
      "nn.Conv2d(4, 6, 3)",
      "nn.Conv2d(4, 6, 3)  # noether: ignore[bias-before-norm] kept for the port",
    );
    writeFileSync(path.join(folder, "net.py"), silenced);
    const [source, exported] = await lint(files("net.py", "exported/unfolded.onnx"));
    writeFileSync(path.join(folder, "net.py"), TEXT);
    assert.deepEqual([...source!.findings, ...exported!.findings], []);
  });

  it("stay apart where names or shapes differ, and where the source is not checked", async () => {
    const other = TEXT.replaceAll("conv1", "first")
      .replaceAll("conv2", "second")
      .replaceAll("bn", "norm")
      .replaceAll("fc", "head");
    writeFileSync(path.join(folder, "other.py"), other);
    const [, exported] = await lint(files("other.py", "exported/unfolded.onnx"));
    rmSync(path.join(folder, "other.py"));
    assert.equal(exported?.findings.length, 1);
    assert.equal((await lint(files("exported/unfolded.onnx")))[0]?.findings.length, 1);
  });

  it("are shown on the source in an editor once it was certified, at the export's weights", async () => {
    const service = createAnalysisService();
    try {
      const file = path.join(folder, "net.py");
      assert.equal((await service.analysePython(file, TEXT)).findings.length, 1);
      const { findings, hovers, problems } = await service.certify(file);
      assert.deepEqual(problems, []);
      assert.deepEqual(findings.map((f) => f.rule).sort(), ["batch-norm-folded", "bias-before-norm"]);
      assert.match(hovers.find((h) => h.range.start.line === lineOf("nn.Conv2d(4"))?.markdown ?? "", /applied to the weights, /);
      const later = await service.analysePython(file, `\n${TEXT}`);
      assert.deepEqual(
        later.findings.map((f) => f.range!.start.line).sort((a, b) => a - b),
        [lineOf("nn.Conv2d(3") + 1, lineOf("nn.Conv2d(4") + 1],
      );
    } finally {
      service.dispose();
    }
  });
});
