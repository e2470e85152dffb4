/** @file `noether fix` and the other commands of one file follow configuration and comments. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { biasBeforeNorm } from "../rules/bias-before-norm";
import { run } from "./run";
import { EXIT } from "./usage";

const { bad, fixed } = biasBeforeNorm.examples;
let folder: string;
before(() => {
  folder = mkdtempSync(path.join(tmpdir(), "noether-fix-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

async function noether(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  const [out, error]: [string[], string[]] = [[], []];
  const console = { out: (t: string) => out.push(t), error: (t: string) => error.push(t) };
  const code = await run(args, { ...console, isTTY: false, columns: undefined, environment: {} });
  return { code, out: out.join("\n"), error: error.join("\n") };
}

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

test("fix leaves alone what the configuration switches off", async () => {
  const file = write("net.py", bad);
  const configuration = write("noether.toml", '[rules]\nbias-before-norm = "off"\n');
  assert.doesNotMatch((await noether("fix", file)).out, /drop-bias/);
  const refused = await noether("fix", file, "--fix", "drop-bias");
  assert.equal(refused.code, EXIT.usage);
  assert.match(refused.error, /drop-bias mends findings of bias-before-norm, which the configuration or a comment silences/);
  assert.equal((await noether("fix", file, "--verify", "--fix", "drop-bias")).code, EXIT.usage);
  assert.match((await noether("fix", file, "--no-config")).out, /drop-bias/);
  const louder = write("other.toml", '[rules]\nbias-before-norm = "error"\n');
  assert.equal((await noether("fix", file, "--fix", "drop-bias", "--config", louder)).code, EXIT.ok);
  assert.equal(readFileSync(file, "utf8"), fixed);
  rmSync(configuration);
});

test("fix leaves alone what a comment silences", async () => {
  const file = write("silenced.py", `# noether: ignore-file[bias-before-norm] old checkpoints\n${bad}`);
  assert.doesNotMatch((await noether("fix", file)).out, /drop-bias/);
  assert.equal((await noether("fix", file, "--fix", "drop-bias")).code, EXIT.usage);
});

test("fix edits the code in notebooks", async () => {
  const notebook = (code: string) => JSON.stringify({ cells: [{ cell_type: "code", source: code }] });
  const file = write("net.ipynb", notebook(bad));
  assert.match((await noether("fix", file, "--fix", "drop-bias", "--diff")).out, /^\+.*bias=False/m);
  assert.equal((await noether("fix", file, "--fix", "drop-bias")).code, EXIT.ok);
  assert.equal(readFileSync(file, "utf8"), notebook(fixed));
});

test("how classes are made is configured for every command, and a mistake in it ends each with 3", async () => {
  const source =
    "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self, width):\n        super().__init__()\n        self.a = nn.Linear(4, width)\n\n    def forward(self, x):\n        return self.a(x)\n";
  const file = write("width.py", source);
  const configuration = write("noether.toml", 'models = ["Net(width=7)"]\n');
  for (const command of ["symmetries", "show"]) assert.match((await noether(command, file)).out, /\b(35|7,4)\b/, command);
  write("noether.toml", "modles = []\n");
  for (const command of ["symmetries", "show", "fix", "probe", "check"]) {
    const { code, error } = await noether(command, file);
    assert.equal(code, EXIT.configuration, command);
    assert.match(error, /noether\.toml:1:1: there is no key modles/);
  }
  rmSync(configuration);
});
