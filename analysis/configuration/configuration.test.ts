import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { Ajv } from "ajv";
import { startingConfiguration } from "../cli/init";
import { rules } from "../rules/registry";
import { isExcluded, settingFor } from "./configuration";
import { type ConfigurableRule, configurationSchema } from "./keys";
import { ConfigurationReader, nearestConfiguration } from "./read";
import { parseToml } from "./toml";

const RULES: readonly ConfigurableRule[] = [
  { id: "bias-before-norm", title: "a" },
  {
    id: "linear-chain",
    title: "b",
    options: { rank: { takes: { kind: "number", minimum: 1 }, description: "least rank", default: 4 } },
  },
];

let root: string;
const write = (name: string, text: string): string => {
  const file = path.join(root, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
};
before(() => (root = mkdtempSync(path.join(tmpdir(), "noether-config-"))));
after(() => rmSync(root, { recursive: true, force: true }));

/** Problems as `line:column message`, counted from 1. */
function problems(file: string): string[] {
  return new ConfigurationReader(RULES)
    .read(file)
    .problems.map(({ message, range }) => `${range.start.line + 1}:${range.start.column + 1} ${message}`);
}

describe("configuration", () => {
  it("is found upwards: noether.toml, or a pyproject.toml that speaks of Noether", () => {
    const top = write("up/noether.toml", "");
    write("up/a/pyproject.toml", "[tool.ruff]\nline-length = 100\n");
    write("up/c/pyproject.toml", '[tool.poetry.dependencies]\nnoether = "^0.1"\n\n[project.scripts]\nnoether.run = "x"\n');
    assert.equal(nearestConfiguration(path.join(root, "up/c/net.py")), top, "a dependency configures nothing");
    const broken = write("up/d/pyproject.toml", "[tool.noether]\nexclude = [\n");
    assert.equal(nearestConfiguration(path.join(root, "up/d/net.py")), broken, "its mistake is to be reported");
    const own = write("up/b/pyproject.toml", '[tool.noether.rules]\nlinear-chain = "off"\n');
    assert.equal(nearestConfiguration(path.join(root, "up/a/net.py")), top);
    assert.equal(nearestConfiguration(path.join(root, "up/b")), own);
    assert.equal(new ConfigurationReader(RULES).configurationFor(path.join(root, "up/b/x.py")).configuration.files[0], own);
  });

  it("reports each mistake at its place", () => {
    const file = write(
      "wrong/noether.toml",
      [
        'exclude = "x"',
        "frobnicate = 1",
        'unused-suppressions = "loud"',
        "[rules]",
        'linear-chian = "off"',
        'bias-before-norm = { severity = "eror", depth = 3 }',
        "linear-chain = { rank = 0 }",
        "[[overrides]]",
        'files = ["a"]',
        "models = [1]",
      ].join("\n"),
    );
    assert.deepEqual(problems(file), [
      '1:1 exclude: expected a list of strings, not "x"',
      "2:1 there is no key frobnicate; keys are extends, exclude, rules, overrides, models, baseline, unused-suppressions",
      '3:1 unused-suppressions: expected error, warning, info, hint or off, not "loud"',
      "5:1 there is no rule linear-chian; did you mean linear-chain?",
      '6:22 severity: expected error, warning, info, hint or off, not "eror"',
      "6:41 there is no key depth; keys are severity",
      "7:18 rank: expected at least 1, not 0",
      "10:1 there is no key models; keys are files, rules",
      "8:3 this override has no rules",
    ]);
  });

  it("takes paths as Windows writes them", () => {
    write("windows/base.toml", '[rules]\nlinear-chain = "off"\n');
    const file = write(
      "windows/sub/noether.toml",
      "extends = '..\\base.toml'\nexclude = ['old\\*.py']\nbaseline = 'a\\b.json'\n",
    );
    assert.deepEqual(problems(file), []);
    const { configuration } = new ConfigurationReader(RULES).read(file);
    const at = (name: string) => path.join(path.dirname(file), name);
    assert.equal(settingFor(configuration, "linear-chain", at("x.py")).severity, "off");
    assert.ok(isExcluded(configuration, at("old/x.py")) && !isExcluded(configuration, at("new/x.py")));
    assert.equal(configuration.baseline, at("a/b.json"));
  });

  it("says where a text is no TOML, and holds its defaults then", () => {
    const file = write("broken/noether.toml", 'exclude = ["a"\nrules = 3\n');
    const { configuration, problems: found } = new ConfigurationReader(RULES).read(file);
    assert.equal(found.length, 1);
    assert.equal(found[0]?.range.start.line, 1);
    assert.deepEqual(configuration.exclude, []);
  });

  it("extends files, later over earlier and itself over all; circles and absent files are reported", () => {
    write("ext/a.toml", 'exclude = ["x"]\n[rules]\nlinear-chain = "off"\nbias-before-norm = "hint"\n');
    write("ext/b.toml", '[rules]\nlinear-chain = "info"\n');
    const file = write("ext/in/noether.toml", 'extends = ["../a.toml", "../b.toml"]\n[rules]\nbias-before-norm = "error"\n');
    const { configuration, problems: none } = new ConfigurationReader(RULES).read(file);
    assert.deepEqual(none, []);
    assert.equal(settingFor(configuration, "linear-chain", "/x.py").severity, "info");
    assert.equal(settingFor(configuration, "bias-before-norm", "/x.py").severity, "error");
    // A glob is relative to the file that says it.
    assert.ok(isExcluded(configuration, path.join(root, "ext/x/y.py")));
    assert.ok(!isExcluded(configuration, path.join(root, "x/y.py")));
    const circle = write("ext/c.toml", 'extends = "d.toml"\n');
    write("ext/d.toml", 'extends = ["c.toml", "nowhere.toml"]\n');
    const found = problems(circle);
    assert.match(found[0]!, /^1:12 extends goes in a circle: .*c\.toml -> .*d\.toml -> .*c\.toml$/);
    assert.match(found[1]!, /^1:22 extends: .*nowhere\.toml does not exist$/);
  });

  it("holds by glob: overrides win in order, and `*` stands for rules that are not named", () => {
    const file = write(
      "globs/pyproject.toml",
      [
        "[tool.noether]",
        'exclude = ["old", "gen/**/*_pb.py"]',
        '[tool.noether.rules]\n"*" = "info"\nlinear-chain = { severity = "warning", rank = 8 }',
        '[[tool.noether.overrides]]\nfiles = "experiments/**"\nrules = { "*" = "off" }',
        '[[tool.noether.overrides]]\nfiles = ["experiments/keep.py"]\nrules = { bias-before-norm = "error" }',
      ].join("\n"),
    );
    const { configuration, problems: none } = new ConfigurationReader(RULES).read(file);
    assert.deepEqual(none, []);
    const level = (rule: string, name: string) => settingFor(configuration, rule, path.join(root, "globs", name)).severity;
    assert.equal(level("bias-before-norm", "net.py"), "info");
    assert.equal(level("linear-chain", "net.py"), "warning");
    assert.equal(level("linear-chain", "experiments/a/b.py"), "off");
    assert.equal(level("bias-before-norm", "experiments/keep.py"), "error");
    assert.deepEqual(settingFor(configuration, "linear-chain", "/y.py").options, { rank: 8 });
    const excluded = (name: string) => isExcluded(configuration, path.join(root, "globs", name));
    assert.ok(excluded("old/a.py") && excluded("src/old/deep/a.py") && excluded("gen/x/a_pb.py"));
    assert.ok(!excluded("older/a.py") && !excluded("gen/x/a.py"));
  });

  it("is read again when a file that it comes from changes", () => {
    const base = write("again/base.toml", "");
    const file = write("again/noether.toml", 'extends = "base.toml"\n');
    const reader = new ConfigurationReader(RULES);
    assert.equal(settingFor(reader.read(file).configuration, "linear-chain", "/x.py").severity, undefined);
    writeFileSync(base, '[rules]\nlinear-chain = "error"\n');
    assert.equal(settingFor(reader.read(file).configuration, "linear-chain", "/x.py").severity, "error");
  });

  it("has a schema that takes what validation takes, and refuses what it refuses", () => {
    const validate = new Ajv({ allowUnionTypes: true }).compile(configurationSchema(RULES));
    assert.ok(validate({ exclude: ["a"], rules: { "*": "off", "linear-chain": { severity: "hint", rank: 2 } } }));
    assert.ok(validate({ extends: "x", overrides: [{ files: "a", rules: {} }] }));
    for (const wrong of [{ frob: 1 }, { rules: { nothing: "off" } }, { overrides: [{ files: "a" }] }, { exclude: "a" }]) {
      assert.ok(!validate(wrong), JSON.stringify(wrong));
    }
  });

  for (const pyproject of [false, true]) {
    it(`starts with ${pyproject ? "pyproject.toml" : "noether.toml"} whose lines are right without their #`, () => {
      const text = startingConfiguration(pyproject);
      assert.deepEqual(Object.values(parseToml("x", text).value).length, pyproject ? 1 : 0);
      const live = text.replace(/^# (?![A-Z])/gm, "");
      const file = write(`init/${pyproject ? "pyproject" : "noether"}.toml`, live.replace("../noether.toml", "other.toml"));
      write("init/other.toml", "");
      const known = [...rules, { id: "linear-chain", title: "" }];
      assert.deepEqual(new ConfigurationReader(known).read(file).problems, []);
    });
  }
});
