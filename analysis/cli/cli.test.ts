import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { Ajv } from "ajv";
import findingsSchema from "../report/schema/findings.schema.json";
import symmetriesSchema from "../report/schema/symmetries.schema.json";
import { rules } from "../rules/registry";
import { filesToCheck, globExpression } from "./files";
import { run } from "./run";
import { EXIT, nearest } from "./usage";

const FIXTURES = path.resolve(import.meta.dirname, "../../testFixtures");
const MLP = path.join(FIXTURES, "zoo/onnx/MlpRelu.onnx");
const [biasBeforeNorm] = rules;
const ajv = new Ajv();

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

async function noether(...args: string[]): Promise<Outcome> {
  let out = "";
  let error = "";
  const code = await run(args, {
    out: (text) => (out += `${text}\n`),
    error: (text) => (error += `${text}\n`),
    isTTY: false,
    columns: undefined,
    environment: {},
  });
  return { code, out, error };
}

let folder: string;
before(() => {
  folder = mkdtempSync(path.join(tmpdir(), "noether-cli-"));
  const write = (name: string, text: string) => {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  };
  write("bad.py", biasBeforeNorm!.examples.bad);
  write("good.py", biasBeforeNorm!.examples.good);
  write("src/deep/bad.py", biasBeforeNorm!.examples.bad);
  write("src/notes.txt", "");
  write("node_modules/x/bad.py", biasBeforeNorm!.examples.bad);
  write("sandbox/pyvenv.cfg", "");
  write("sandbox/lib/bad.py", biasBeforeNorm!.examples.bad);
  write("broken/model.onnx", "no model");
  write("syntax.py", "def f(:\n");
  symlinkSync(folder, path.join(folder, "src", "loop"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

describe("noether", () => {
  it("explains itself", async () => {
    const help = await noether("--help");
    assert.equal(help.code, EXIT.ok);
    for (const word of ["symmetries", "check", "Exit codes"]) assert.ok(help.out.includes(word));
    for (const command of ["symmetries", "check", "coverage"]) {
      const own = await noether(command, "--help");
      assert.equal(own.code, EXIT.ok);
      assert.ok(own.out.startsWith(`noether ${command} `));
    }
    assert.match((await noether("--version")).out, /^\d+\.\d+\.\d+\n$/);
    const nothing = await noether();
    assert.equal(nothing.code, EXIT.usage);
    assert.equal(nothing.out, "");
  });

  const wrong: readonly (readonly [args: string[], message: RegExp])[] = [
    [["symetries", "x.py"], /no command symetries; did you mean symmetries\?/],
    [["frobnicate"], /no command frobnicate\n/],
    [["net.py::Net"], /noether symmetries net\.py::Net, or noether check net\.py/],
    [["symmetries"], /needs a FILE/],
    [["symmetries", "a.py", "b.py"], /takes one FILE, and not b\.py/],
    [["symmetries", "a.py::"], /names no class/],
    [["symmetries", "--formt", "json", "a.py"], /no option --formt; did you mean --format\?/],
    [["symmetries", "--format", "jsno", "a.py"], /--format is text, json, .*, not jsno; did you mean json\?/],
    [["symmetries", "--loss", "mse", "a.py"], /--loss is softmax, not mse/],
    [["symmetries", "--input", "8x", "a.py"], /--input is a shape such as 8x3x32x32/],
    [["symmetries", "--input", "8x0", "a.py"], /--input is a shape/],
    [["symmetries", "--format"], /--format/],
    [["symmetries", "nowhere.py"], /nowhere\.py does not exist/],
    [["symmetries", "."], /\. is a folder/],
    [["check"], /needs PATHS/],
    [["check", "nowhere"], /nowhere does not exist/],
    [["check", "src/**/*.nothing"], /matches no \.py, no \.ipynb and no \.onnx file/],
    [["check", path.join(FIXTURES, "zoo/truth.json")], /neither Python source/],
  ];
  for (const [args, message] of wrong) {
    it(`refuses: ${args.join(" ")}`, async () => {
      const { code, out, error } = await noether(...args);
      assert.equal(code, EXIT.usage);
      assert.equal(out, "");
      assert.match(error, message);
    });
  }
});

describe("noether symmetries", () => {
  it("prints text, and JSON that fits its schema", async () => {
    const text = await noether("symmetries", MLP);
    assert.equal(text.code, EXIT.ok);
    assert.match(text.out, /16 {2}rescaling/);
    const json = await noether("symmetries", MLP, "--format", "json");
    const parsed = JSON.parse(json.out) as { models: { continuous: { total: number } }[] };
    assert.ok(ajv.validate(symmetriesSchema, parsed), ajv.errorsText());
    assert.equal(parsed.models[0]?.continuous.total, 16);
  });

  it("prints diagrams and axis labels", async () => {
    assert.match((await noether("symmetries", MLP, "--format", "mermaid")).out, /^flowchart LR/);
    assert.match((await noether("symmetries", MLP, "--format=dot")).out, /^graph noether \{/);
    const axes = JSON.parse((await noether("symmetries", MLP, "--format", "axes")).out) as {
      models: { axes: Record<string, unknown> }[];
    };
    assert.deepEqual(axes.models[0]?.axes["fc2.weight"], [1, 0]);
  });

  it("counts under a loss, freezes parameters and takes input shapes", async () => {
    const total = async (...args: string[]) => {
      const { out } = await noether("symmetries", MLP, "--format", "json", ...args);
      return (JSON.parse(out) as { models: { continuous: { total: number } }[] }).models[0]!.continuous.total;
    };
    assert.ok((await total("--loss", "softmax")) > 16);
    assert.equal(await total("--frozen", "fc3.*", "--frozen", "fc1.weight"), 0);
    assert.equal(await total("--input", "6x4"), 16);
  });

  it("certifies", async () => {
    const { code, out } = await noether("symmetries", MLP, "--certify", "--format", "json");
    assert.equal(code, EXIT.ok);
    const { certificate } = (JSON.parse(out) as { models: { certificate: { status: string; maxRelativeDeviation: number } }[] })
      .models[0]!;
    assert.equal(certificate.status, "certified");
    assert.ok(certificate.maxRelativeDeviation < 1e-5);
  });

  it("analyses all models of a Python file, or the one that is named", async () => {
    const zoo = path.join(FIXTURES, "zoo/zoo.py");
    const one = await noether("symmetries", `${zoo}::MlpRelu`, "--format", "json");
    const models = (JSON.parse(one.out) as { models: { name: string; line: number }[] }).models;
    assert.deepEqual(
      models.map((m) => m.name),
      ["MlpRelu"],
    );
    const shaped = await noether("symmetries", `${zoo}::EmbeddingLm`, "--input", "3x5", "--format", "json");
    assert.equal(shaped.code, EXIT.ok);
    const unknown = await noether("symmetries", `${zoo}::MlpRelo`);
    assert.equal(unknown.code, EXIT.usage);
    assert.match(unknown.error, /has no model MlpRelo; did you mean MlpRelu\?/);
  });

  it("says what is wrong with a damaged file, and exits with 2", async () => {
    const { code, out, error } = await noether("symmetries", path.join(folder, "broken/model.onnx"));
    assert.equal(code, EXIT.fatal);
    assert.equal(out, "");
    assert.match(error, /broken\/model\.onnx, byte 0: .* Expected an ONNX model/);
  });
});

describe("noether check", () => {
  it("exits with 1 on findings and prints them as JSON that fits its schema", async () => {
    const { code, out } = await noether("check", path.join(folder, "bad.py"), path.join(folder, "good.py"), "--format", "json");
    assert.equal(code, EXIT.findings);
    const findings = JSON.parse(out) as { rule: string; line: number; column: number; endColumn: number; fixes: unknown[] }[];
    assert.ok(ajv.validate(findingsSchema, findings), ajv.errorsText());
    assert.equal(findings.length, 1);
    const [f] = findings;
    const line = biasBeforeNorm!.examples.bad.split("\n")[f!.line - 1]!;
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

describe("globs and words", () => {
  it("match as shells do", () => {
    const matches = (glob: string, name: string) => globExpression(glob).test(name);
    for (const [glob, name] of [
      ["*.py", "a.py"],
      ["**/*.py", "a.py"],
      ["**/*.py", "x/y/a.py"],
      ["x/**", "x/y/a"],
      ["[ab].py", "b.py"],
      ["[!ab].py", "c.py"],
      ["{a,b/c}.py", "b/c.py"],
      ["a+(b).py", "a+(b).py"],
    ] as const) {
      assert.ok(matches(glob, name), `${glob} ${name}`);
    }
    for (const [glob, name] of [
      ["*.py", "x/a.py"],
      ["?.py", "ab.py"],
      ["[!ab].py", "a.py"],
      ["a.py", "aXpy"],
      ["x/**/a", "xy/a"],
    ] as const) {
      assert.ok(!matches(glob, name), `${glob} ${name}`);
    }
  });

  it("name what was meant, and nothing where nothing is near", () => {
    assert.equal(nearest("chekc", ["symmetries", "check"]), "check");
    assert.equal(nearest("xyz", ["symmetries", "check"]), undefined);
  });
});

describe("the process", () => {
  it("starts without loading analysis for its help, and ends when its reader does", () => {
    const main = path.join(import.meta.dirname, "main.ts");
    const help = spawnSync(process.execPath, ["--import", "tsx", main, "--help"], { encoding: "utf8" });
    assert.equal(help.status, 0);
    assert.match(help.stdout, /^Noether finds/);
    const wrong = spawnSync(process.execPath, ["--import", "tsx", main, "nonsense"], { encoding: "utf8" });
    assert.equal(wrong.status, EXIT.usage);
    assert.match(wrong.stderr, /^noether: no command nonsense/);
  });
});
