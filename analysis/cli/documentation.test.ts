import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { documentation } from "./documentation";

const ROOT = path.resolve(import.meta.dirname, "../..");

describe("the documentation", () => {
  const before1 = process.cwd();
  before(() => process.chdir(ROOT));
  after(() => process.chdir(before1));

  it("shows what the commands print; npm run docs refreshes it", async () => {
    for (const [file, text] of await documentation()) {
      assert.ok(existsSync(file), `${file} is missing; run npm run docs`);
      assert.equal(readFileSync(file, "utf8"), text, `${file} is out of date; run npm run docs`);
    }
  });

  it("links to pages and pictures that exist", async () => {
    for (const [file, text] of await documentation()) {
      for (const [, target] of text.matchAll(/\]\((?!https?:|command:)([^)#]+)(?:#[^)]*)?\)/g)) {
        assert.ok(existsSync(path.resolve(path.dirname(file), target!)), `${file} links to ${target}`);
      }
    }
  });
});
