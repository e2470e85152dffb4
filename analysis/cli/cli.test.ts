import { nearest } from "../configuration/nearest";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { Ajv } from "ajv";
import findingsSchema from "../report/schema/findings.schema.json";
import symmetriesSchema from "../report/schema/symmetries.schema.json";
import { rules } from "../rules/registry";
import { filesToCheck } from "./files";
import { run } from "./run";
import { EXIT } from "./usage";

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
    environment: { NOETHER_CACHE_DIR: path.join(folder, "cache") },
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

describe("noether check in a project", () => {
  const project = (name: string, files: Readonly<Record<string, string>>): string => {
    const root = path.join(folder, "projects", name);
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
      writeFileSync(path.join(root, file), text);
    }
    return root;
  };
  const { bad, fixed, good } = biasBeforeNorm!.examples;
  const id = biasBeforeNorm!.id;
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
