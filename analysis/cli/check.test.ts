/** @file `noether check` from end to end. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { after, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { Ajv } from "ajv";
import findingsSchema from "../report/schema/findings.schema.json";
import { filesToCheck } from "./files";
import { biasBeforeNorm, CommandLine } from "./testing/command-line";
import { EXIT } from "./usage";

const ajv = new Ajv();
const commandLine = new CommandLine();
const { folder, run: noether } = commandLine;
after(() => commandLine.dispose());

describe("noether check", () => {
  it("exits with 1 on findings and prints them as JSON that fits its schema", async () => {
    const { code, out } = await noether("check", path.join(folder, "bad.py"), path.join(folder, "good.py"), "--format", "json");
    assert.equal(code, EXIT.findings);
    const findings = JSON.parse(out) as { rule: string; line: number; column: number; endColumn: number; fixes: unknown[] }[];
    assert.ok(ajv.validate(findingsSchema, findings), ajv.errorsText());
    assert.equal(findings.length, 1);
    const [f] = findings;
    const line = biasBeforeNorm.examples.bad.split("\n")[f!.line - 1]!;
    assert.equal(line.slice(f!.column - 1, f!.endColumn - 1), "nn.Conv2d(3, 16, 3, padding=1)");
    assert.equal(f!.fixes.length, 1);
  });

  it("exits with 0 without findings, also on text that does not parse", async () => {
    const { code, out } = await noether("check", path.join(folder, "good.py"), path.join(folder, "syntax.py"));
    assert.equal(code, EXIT.ok);
    assert.match(out, /^no findings; 1 model in 2 files checked/);
  });

  it("goes on after a damaged file, and exits with 2", async () => {
    const { code, out, error } = await noether("check", path.join(folder, "broken"), path.join(folder, "bad.py"));
    assert.equal(code, EXIT.fatal);
    assert.match(error, /model\.onnx/);
    assert.match(out, /1 warning/);
  });

  it("searches folders and patterns, and leaves out what is not the project's code", () => {
    const found = (...paths: string[]) =>
      filesToCheck(paths.map((p) => path.join(folder, p))).map((f) => path.relative(folder, f));
    assert.deepEqual(found("."), ["bad.py", "broken/model.onnx", "good.py", "src/deep/bad.py", "syntax.py"]);
    assert.deepEqual(found("src/**/*.py"), ["src/deep/bad.py"]);
    assert.deepEqual(found("{good,bad}.py"), ["bad.py", "good.py"]);
    assert.deepEqual(found("good.py", "?ood.py", "."), [
      "good.py",
      "bad.py",
      "broken/model.onnx",
      "src/deep/bad.py",
      "syntax.py",
    ]);
    assert.deepEqual(found("node_modules/x/bad.py"), ["node_modules/x/bad.py"], "what is named is taken");
  });
});

describe("noether check in a project", () => {
  const project = (name: string, files: Readonly<Record<string, string>>): string => {
    const root = path.join(folder, "projects", name);
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
      writeFileSync(path.join(root, file), text);
    }
    return root;
  };
  const { bad, fixed, good } = biasBeforeNorm.examples;
  const id = biasBeforeNorm.id;
  const rulesFound = (out: string): string[] => (JSON.parse(out) as { rule: string }[]).map((f) => f.rule);

  it("follows its configuration, and exits with 3 where that is wrong", async () => {
    const root = project("configured", {
      "noether.toml": `exclude = ["old"]\n[rules]\n${id} = "off"\n[[overrides]]\nfiles = ["new/**"]\nrules = { ${id} = "error" }\n`,
      "a.py": bad,
      "new/b.py": bad,
      "old/c.py": bad,
    });
    const { code, out } = await noether("check", root, "--format", "json");
    assert.equal(code, EXIT.findings);
    const found = JSON.parse(out) as { file: string; severity: string }[];
    assert.deepEqual(
      found.map((f) => [path.relative(root, f.file), f.severity]),
      [[path.join("new", "b.py"), "error"]],
    );
    assert.equal((await noether("check", root, "--no-config", "--statistics")).out, `3  ${id}  all fixable exactly\n`);
    assert.equal((await noether("check", root, "--rule", `${id}=info`)).code, EXIT.ok);
    writeFileSync(path.join(root, "noether.toml"), "[rules]\nnothing = 1\n");
    const wrong = await noether("check", root);
    assert.equal(wrong.code, EXIT.configuration);
    assert.match(wrong.error, /noether\.toml:2:1: there is no rule nothing/);
  });

  it("fixes files, or shows what it would change", async () => {
    const root = project("fixed", { "a.py": bad, "b.py": good });
    const shown = await noether("check", root, "--fix", "--diff");
    assert.match(shown.out, /^--- .*a\.py/m);
    assert.equal(readFileSync(path.join(root, "a.py"), "utf8"), bad);
    const { code, error } = await noether("check", root, "--fix");
    assert.equal(code, EXIT.ok);
    assert.match(error, /1 finding fixed in 1 file/);
    assert.equal(readFileSync(path.join(root, "a.py"), "utf8"), fixed);
    assert.equal(readFileSync(path.join(root, "b.py"), "utf8"), good);
  });

  it("fixes notebooks and source in other encodings, and nothing else in them", async () => {
    const latin = Buffer.from(`# coding: latin-1\n# caf\u00e9\n${bad}`, "latin1");
    const cell = { cell_type: "code", source: bad.split(/(?<=\n)/), outputs: [{ data: [1e5] }] };
    const notebook = (source: string) => JSON.stringify({ cells: [{ ...cell, source: source.split(/(?<=\n)/) }] }, undefined, 1);
    const root = project("others", { "n.ipynb": notebook(bad), "wrong.py": "" });
    writeFileSync(path.join(root, "latin.py"), latin);
    writeFileSync(path.join(root, "wrong.py"), latin.subarray(18));
    const sarif = await noether("check", path.join(root, "n.ipynb"), "--format", "sarif");
    const { locations } = (JSON.parse(sarif.out) as { runs: { results: { locations: { physicalLocation: Physical }[] }[] }[] })
      .runs[0]!.results[0]!;
    const { artifactLocation, region } = locations[0]!.physicalLocation;
    assert.match(artifactLocation.uri, /n\.ipynb$/);
    assert.match(notebook(bad).split("\n")[region.startLine - 1]!, /nn\.Conv2d/);
    assert.match((await noether("check", path.join(root, "n.ipynb"), "--fix", "--diff")).out, /^--- .*n\.ipynb#cell=0$/m);
    const { code, error } = await noether("check", root, "--fix");
    assert.equal(code, EXIT.fatal);
    assert.match(error, /wrong\.py:1: the file is not UTF-8/);
    assert.match(error, /2 findings fixed in 2 files/);
    assert.equal(readFileSync(path.join(root, "n.ipynb"), "utf8"), notebook(fixed));
    assert.deepEqual(
      readFileSync(path.join(root, "latin.py")),
      Buffer.from(`# coding: latin-1\n# caf\u00e9\n${fixed}`, "latin1"),
    );
  });

  it("says which folders it cannot search, and exits with 2", {
    skip: process.platform === "win32" || process.getuid?.() === 0 ? "permissions do not hold for who runs this" : false,
  }, async () => {
    const root = project("closed", { "a.py": good });
    const inner = path.join(root, "inner");
    mkdirSync(inner, { mode: 0o000 });
    const { code, error } = await noether("check", root);
    assert.equal(code, EXIT.fatal);
    assert.match(error, /inner cannot be searched: EACCES/);
    writeFileSync(path.join(root, "noether.toml"), 'exclude = ["inner"]\n');
    assert.equal((await noether("check", root)).code, EXIT.ok);
  });

  it("accepts a baseline", async () => {
    const root = project("accepted", { "a.py": bad });
    const baseline = path.join(root, "accepted.json");
    assert.equal((await noether("check", root, "--baseline", baseline, "--update-baseline")).code, EXIT.ok);
    assert.equal((await noether("check", root, "--baseline", baseline)).code, EXIT.ok);
    writeFileSync(path.join(root, "b.py"), bad);
    assert.equal((await noether("check", root, "--baseline", baseline)).code, EXIT.findings);
    rmSync(path.join(root, "a.py"));
    const renamed = await noether("check", root, "--baseline", baseline);
    assert.equal(renamed.code, EXIT.ok);
    assert.match(renamed.error, /b\.py is taken for a\.py of the baseline/);
    rmSync(path.join(root, "b.py"));
    writeFileSync(path.join(root, "c.py"), good);
    assert.match((await noether("check", root, "--baseline", baseline)).error, /accepts 1 finding more than there are/);
  });

  it("silences by comments, and says which are of no use", async () => {
    const line = bad.split("\n").findIndex((l) => l.includes("nn.Conv2d("));
    const silenced = bad.split("\n");
    silenced[line] += `  # noether: ignore[${id}] old checkpoints`;
    const root = project("silenced", { "a.py": silenced.join("\n"), "b.py": `${good}\n# noether: ignore-file\n` });
    const { out } = await noether("check", root, "--format", "json");
    assert.deepEqual(rulesFound(out), ["unused-suppression"]);
    const sarif = await noether("check", root, "--format", "sarif");
    assert.match(sarif.out, /"justification": "old checkpoints"/);
  });

  it("counts warnings, and remembers reports until a file of the project changes", async () => {
    const root = project("cached", { "a.py": bad, "b.py": good, "pyproject.toml": "" });
    assert.equal((await noether("check", root, "--max-warnings", "1")).code, EXIT.ok);
    const again = await noether("check", root, "--format", "json");
    assert.deepEqual(rulesFound(again.out), [id]);
    writeFileSync(path.join(root, "a.py"), `${fixed}\n`);
    assert.deepEqual(rulesFound((await noether("check", root, "--format", "json")).out), []);
    writeFileSync(path.join(root, "noether.toml"), `[rules]\n"*" = "off"\n`);
    writeFileSync(path.join(root, "a.py"), bad);
    assert.deepEqual(rulesFound((await noether("check", root, "--format", "json")).out), []);
  });

  it("writes a report to a file, and says where that cannot be", async () => {
    const root = project("written", { "a.py": bad });
    const file = path.join(root, "report.sarif");
    const { code, out } = await noether("check", root, "--format", "sarif", "--output", file);
    assert.equal(code, EXIT.findings);
    assert.equal(out, "");
    assert.equal((JSON.parse(readFileSync(file, "utf8")) as { version: string }).version, "2.1.0");
    const full = await noether("check", root, "--output", path.join(root, "nowhere", "x"));
    assert.equal(full.code, EXIT.fatal);
    assert.match(full.error, /nowhere.x cannot be written: ENOENT/);
  });

  it("checks standard input under a name, and in several processes what it checks in turn", () => {
    const main = path.join(import.meta.dirname, "main.ts");
    const start = (args: readonly string[], input: string) =>
      spawnSync(
        process.execPath,
        ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href, main, "check", ...args],
        {
          encoding: "utf8",
          input,
          cwd: folder,
        },
      );
    const piped = start(["-", "--stdin-filename", "x/net.py", "--format", "json"], bad);
    assert.equal(piped.status, EXIT.findings);
    assert.deepEqual(
      (JSON.parse(piped.stdout) as { file: string }[]).map((f) => f.file),
      ["x/net.py"],
    );
    assert.equal(start(["-", "--fix"], bad).stdout, fixed);
    assert.equal(start(["-", "--fix"], bad.trimEnd()).stdout, fixed.trimEnd(), "no line end that was not there");
    const notebook = (source: string) => JSON.stringify({ cells: [{ cell_type: "code", source }] });
    assert.equal(start(["-", "--fix", "--stdin-filename", "n.ipynb"], notebook(bad)).stdout, notebook(fixed));
    const many = Object.fromEntries(Array.from({ length: 48 }, (_, i) => [`m${i}.py`, i % 16 === 0 ? bad : good]));
    const root = project("many", many);
    const several = start([root, "--no-cache", "--jobs", "2", "--format", "json"], "");
    const turn = start([root, "--no-cache", "--jobs", "1", "--format", "json"], "");
    assert.equal(several.stdout, turn.stdout);
    assert.equal((JSON.parse(several.stdout) as unknown[]).length, 3);
  });
});

interface Physical {
  readonly artifactLocation: { readonly uri: string };
  readonly region: { readonly startLine: number };
}
