/** @file Commands from end to end; `check` has a file of its own. */
import { nearest } from "../configuration/nearest";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, describe, it } from "node:test";
import { Ajv } from "ajv";
import symmetriesSchema from "../report/schema/symmetries.schema.json";
import { CommandLine, FIXTURES, MLP } from "./testing/command-line";
import { EXIT } from "./usage";

const ajv = new Ajv();
const commandLine = new CommandLine();
const { folder, run: noether } = commandLine;
after(() => commandLine.dispose());

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
    [["check", "x.py", "-"], /- is standard input/],
    [["check", "x.py", "--diff"], /say --fix/],
    [["check", "x.py", "--jobs", "0"], /--jobs is a whole number from 1 on, not 0/],
    [["check", "x.py", "--max-warnings", "many"], /--max-warnings is a whole number/],
    [["check", "x.py", "--rule", "linear-chain"], /--rule is RULE=LEVEL/],
    [["check", "x.py", "--rule", "linear-chain=lowd"], /not lowd/],
    [["check", "x.py", "--format", "sarf"], /did you mean sarif\?/],
    [["init", "here"], /init takes no here/],
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

describe("words", () => {
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

describe("noether fix", () => {
  it("lists fixes, shows one, writes it, and writes models to new files only", async () => {
    const source = readFileSync(path.join(FIXTURES, "fixes/mlp_keywords.py"), "utf8");
    const file = path.join(folder, "fixed.py");
    writeFileSync(file, source);
    const list = await noether("fix", file);
    assert.equal(list.code, EXIT.ok);
    assert.match(list.out, /^syre {2,}line \d+ .*\n/m);
    const json = JSON.parse((await noether("fix", file, "--format", "json")).out) as { fix: string; exact: boolean }[];
    assert.ok(json.some((f) => f.fix === "w-asymmetric" && !f.exact));
    const diff = await noether("fix", `${file}::Net`, "--fix", "figlu", "--at", "body.weight", "--diff");
    assert.match(diff.out, /^\+ +self\.body_gate = FiGLU\(hidden, seed=0\)$/m);
    assert.equal(readFileSync(file, "utf8"), source);
    assert.equal((await noether("fix", file, "--fix", "syre")).code, EXIT.ok);
    assert.match(readFileSync(file, "utf8"), /class AnchoredSGD\(optim\.SGD\):/);
    const output = path.join(folder, "dropped.onnx");
    const attention = path.join(FIXTURES, "zoo/onnx/SelfAttention.onnx");
    const rewritten = await noether("fix", attention, "--fix", "drop-bias", "--output", output);
    assert.equal(rewritten.code, EXIT.ok, rewritten.error);
    assert.match(rewritten.out, /k\.bias: removed.*\n168 trained values before, 162 after; outputs equal/);
    assert.match((await noether("fix", MLP)).out, /^fold-norms +no gain can be folded$/m);
  });

  it("says what is wrong with what was asked", async () => {
    const wrong = async (expected: RegExp, ...args: string[]) => {
      const { code, error } = await noether("fix", ...args);
      assert.equal(code, EXIT.usage, error);
      assert.match(error, expected);
    };
    const file = path.join(FIXTURES, "fixes/mlp_attributes.py");
    await wrong(/no fix syr; did you mean syre\?/, file, "--fix", "syr");
    await wrong(/router-noise cannot be made/, file, "--fix", "router-noise");
    await wrong(/name a new file with --output/, MLP, "--fix", "syre");
    await wrong(/only measures/, file, "--fix", "syre", "--verify", "--diff");
    await wrong(
      /no parameter fc9\.weight; did you mean/,
      MLP,
      "--fix",
      "syre",
      "--at",
      "fc9.weight",
      "-o",
      path.join(folder, "x.onnx"),
    );
  });
});
