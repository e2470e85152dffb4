import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, it } from "node:test";

const folder = mkdtempSync(path.join(os.tmpdir(), "noether-watch-"));
after(() => rmSync(folder, { recursive: true }));

const net = (bias: string): string => `from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3${bias})
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.norm(self.conv(x))
`;

it("checks again when a file changes or comes, and ends when it is interrupted", {
  skip: process.platform === "win32",
}, async () => {
  const inner = path.join(folder, "src");
  mkdirSync(inner);
  const configuration = path.join(folder, "noether.toml");
  writeFileSync(configuration, "");
  const file = path.join(inner, "net.py");
  writeFileSync(file, net(""));
  const main = path.join(import.meta.dirname, "main.ts");
  const child = spawn(process.execPath, ["--import", "tsx", main, "check", "--no-cache", "--watch", inner]);
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  /** Waits for a text; what was said until then is forgotten. */
  const until = async (text: RegExp): Promise<void> => {
    for (const end = Date.now() + 60_000; !text.test(said); ) {
      if (Date.now() > end || child.exitCode !== null) assert.fail(`waited for ${text} and read ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    said = "";
  };
  await until(/1 warning[^]*watching/);
  writeFileSync(file, net(", bias=False"));
  await until(/no findings|nothing/i);
  writeFileSync(path.join(inner, "other.py"), net(""));
  await until(/other\.py[^]*1 warning/);
  writeFileSync(configuration, '[rules]\nbias-before-norm = "error"\n');
  await until(/1 error/);
  child.kill("SIGINT");
  assert.equal(await ended, 0);
});
