import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, it } from "node:test";
import { Ajv } from "ajv";
import type { Finding } from "../rules/finding";
import { rules } from "../rules/registry";
import { sarifLog, type SarifInput } from "./sarif";
import { githubAnnotations, gitlabReport, junitReport } from "./services";
import { statisticsText } from "./statistics";

const SCHEMA = JSON.parse(
  readFileSync(path.resolve(import.meta.dirname, "../../testFixtures/schemas/sarif-2.1.0.json"), "utf8"),
) as object;

const root = mkdtempSync(path.join(tmpdir(), "noether-report-"));
const net = path.join(root, "a b", "net.py").replace("a b/", "");
writeFileSync(net, "x = 1\ny = f(<2>)\ny = f(<2>)\n");

function finding(line: number, more: Partial<Finding> = {}): Finding {
  const range = { file: net, start: { line, column: 4 }, end: { line, column: 8 } };
  const edits = [{ range, newText: "g" }];
  return {
    rule: rules[0]!.id,
    severity: "warning",
    file: net,
    range,
    message: "first, 100%: <line>\nsecond",
    symmetry: "S(4)",
    related: [{ label: "there", range }],
    fixes: [{ title: "mend", exact: true, edits }],
    ...more,
  };
}
const nodeFinding: Finding = {
  rule: "batch-norm-folded",
  severity: "info",
  file: path.join(root, "m.onnx"),
  node: "/conv",
  message: "folded",
  symmetry: "",
  related: [],
  fixes: [],
};
const findings = [finding(2), finding(1), finding(0, { severity: "error" }), nodeFinding];
const input: SarifInput = {
  version: "1.2.3",
  rules,
  findings,
  silenced: [{ finding: finding(1), reason: "old checkpoints" }],
  failures: [{ file: path.join(root, "bad.onnx"), message: "truncated" }],
  root,
};

interface Result {
  readonly ruleId: string;
  readonly level: string;
  readonly partialFingerprints: Readonly<Record<string, string>>;
  readonly suppressions?: readonly { readonly justification: string }[];
  readonly locations: readonly {
    readonly physicalLocation: { readonly artifactLocation: { readonly uri: string }; readonly region?: object };
  }[];
}
const resultsOf = (log: object): readonly Result[] => (log as { runs: [{ results: Result[] }] }).runs[0].results;

describe("SARIF", () => {
  it("fits its schema, with related places, fixes, suppressions and failures", () => {
    const validate = new Ajv({ strict: false, unicodeRegExp: false }).compile(SCHEMA);
    const log = sarifLog(input);
    assert.ok(validate(log), JSON.stringify(validate.errors));
    assert.ok(!validate({ ...log, version: "3" }), "the schema can refuse");
    const results = resultsOf(log);
    assert.equal(results.length, 5);
    assert.deepEqual(results.find((r) => r.suppressions)?.suppressions, [{ kind: "inSource", justification: "old checkpoints" }]);
    const [onnx] = results.filter((r) => r.ruleId === "batch-norm-folded");
    assert.equal(onnx?.level, "note");
    assert.equal(onnx?.locations[0]?.physicalLocation.artifactLocation.uri, "m.onnx");
    assert.equal(onnx?.locations[0]?.physicalLocation.region, undefined);
  });

  it("has fingerprints that tell equal lines apart and survive lines inserted above", () => {
    const prints = (log: object) =>
      resultsOf(log)
        .filter((r) => !r.suppressions)
        .map((r) => r.partialFingerprints["noether/v1"]);
    const first = prints(sarifLog(input));
    assert.equal(new Set(first).size, first.length);
    writeFileSync(net, "# new\nx = 1\ny = f(<2>)\ny = f(<2>)\n");
    const moved = [finding(3), finding(2), finding(1, { severity: "error" }), nodeFinding];
    assert.deepEqual(prints(sarifLog({ ...input, findings: moved })), first);
    writeFileSync(net, "x = 1\ny = f(<2>)\ny = f(<2>)\n");
  });
});

describe("formats of services", () => {
  it("GitHub: one command per line, with what separates escaped", () => {
    const lines = githubAnnotations(findings, root).split("\n");
    assert.equal(lines.length, 4);
    assert.equal(
      lines.find((l) => l.startsWith("::error")),
      `::error file=net.py,line=1,col=5,endLine=1,endColumn=9,title=noether ${rules[0]!.id}::first, 100%25: <line>%0Asecond`,
    );
    assert.match(lines.at(-1)! + lines[0]!, /::notice file=m\.onnx,title/);
  });

  it("GitLab: fingerprints are unique, lines count from 1", () => {
    const report = JSON.parse(gitlabReport(findings, root)) as {
      fingerprint: string;
      severity: string;
      location: { path: string; lines: { begin: number } };
    }[];
    assert.equal(new Set(report.map((r) => r.fingerprint)).size, 4);
    assert.deepEqual(
      report.filter((r) => r.location.path === "net.py").map((r) => [r.severity, r.location.lines.begin]),
      [
        ["critical", 1],
        ["major", 2],
        ["major", 3],
      ],
    );
  });

  it("JUnit: failures for errors and warnings, text escaped, files without findings pass", () => {
    const report = junitReport(findings, { files: [net, path.join(root, "good.py")], failures: [] }, root);
    assert.match(report, /<testsuites name="noether" failures="3" errors="0">/);
    assert.match(report, /<testsuite name="good\.py" tests="1" failures="0" errors="0">/);
    assert.match(report, /100%: &lt;line&gt;\nsecond<\/failure>/);
    assert.equal(report.split("<testcase").length - 1, 5);
    assert.equal((report.match(/<[\w-]+/g) ?? []).length, (report.match(/<\/[\w-]+>|\/>/g) ?? []).length, "tags are closed");
  });

  it("statistics count by rule", () => {
    assert.equal(statisticsText(findings), `3  ${rules[0]!.id}  all fixable exactly\n1  batch-norm-folded`);
  });
});
