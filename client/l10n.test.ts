import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { it } from "node:test";
import { translatableTexts } from "./testing/texts";

it("the bundle of texts has all that client and pages show; npm run docs refreshes it", () => {
  const bundle = JSON.parse(readFileSync(path.resolve(import.meta.dirname, "../l10n/bundle.l10n.json"), "utf8")) as object;
  const texts = translatableTexts(import.meta.dirname);
  assert.ok(texts["Degree of symmetry breaking"] && texts["Which model should be probed?"]);
  for (const text of Object.keys(texts)) assert.ok(Object.hasOwn(bundle, text), `${text}: npm run docs`);
});
