import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { replaceFile, WriteError } from "./replace-file";

const folder = mkdtempSync(path.join(os.tmpdir(), "noether-replace-"));
after(() => rmSync(folder, { recursive: true }));

describe("replacing a file", () => {
  it("keeps its permissions, and links to it", { skip: process.platform === "win32" }, () => {
    const file = path.join(folder, "model.py");
    const link = path.join(folder, "link.py");
    writeFileSync(file, "old");
    chmodSync(file, 0o755);
    symlinkSync(file, link);
    replaceFile(link, "new");
    assert.equal(readFileSync(file, "utf8"), "new");
    assert.equal(statSync(file).mode & 0o777, 0o755);
    assert.deepEqual(readdirSync(folder).sort(), ["link.py", "model.py"]);
  });

  it("says which file cannot be written", () => {
    assert.throws(
      () => replaceFile(path.join(folder, "absent", "x.py"), "text"),
      (e: unknown) => e instanceof WriteError && /absent.x\.py cannot be written: ENOENT/.test(e.message),
    );
  });

  it("leaves the file as it was when the disk is full", { skip: process.platform === "win32" }, () => {
    const file = path.join(folder, "full.py");
    const text = `${"# a comment\n".repeat(2000)}`;
    writeFileSync(file, text);
    const module = path.join(import.meta.dirname, "replace-file.ts");
    const code = `require(${JSON.stringify(module)}).replaceFile(${JSON.stringify(file)}, "x".repeat(50000))`;
    // No file of more than 2 KiB: what a full disk does, without filling one.
    const { stderr } = spawnSync("sh", ["-c", `ulimit -f 4; exec "$0" --import tsx -e '${code}'`, process.execPath], {
      encoding: "utf8",
    });
    assert.match(stderr, /full\.py cannot be written: E(?:FBIG|NOSPC).*it is as it was/);
    assert.equal(readFileSync(file, "utf8"), text);
    assert.ok(!readdirSync(folder).some((name) => name.endsWith(".noether")), "nothing is left behind");
  });
});

describe("the command line", () => {
  it("reports a full disk, and goes on without a trace of its own defects", { skip: !existsSync("/dev/full") }, () => {
    const cli = path.join(import.meta.dirname, "..", "cli", "main.ts");
    const demo = path.join("testFixtures", "python", "demo.py");
    const { status, stderr } = spawnSync(
      process.execPath,
      ["--import", "tsx", cli, "check", "--no-cache", "--format", "json", "--output", "/dev/full", demo],
      { encoding: "utf8" },
    );
    assert.equal(status, 2);
    assert.equal(stderr.trim(), "noether: /dev/full cannot be written: ENOSPC: no space left on device, write; it is as it was");
  });
});
