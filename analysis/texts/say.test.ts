/** @file Texts in another language: the table, and that findings, fixes, hovers and lines above models all go through it. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, test } from "node:test";
import { rules } from "../rules/registry";
import { createAnalysisService } from "../service/service";
import { taggedTexts } from "./testing/tagged";
import { filled, mark, say, translated, useTexts, useTextsOf } from "./say";

afterEach(() => useTexts({}));

const root = path.resolve(import.meta.dirname, "../..");
const tagged = { ...taggedTexts(path.join(root, "analysis")), ...taggedTexts(path.join(root, "server")) };

test("the bundle of texts has all that analysis and server show; npm run docs refreshes it", () => {
  const bundle = JSON.parse(readFileSync(path.join(root, "l10n/bundle.l10n.json"), "utf8")) as object;
  for (const text of ["bias of {0}", "{0} channel spaces", "sparsity (dead units)", "Fix all {0} in this file"]) {
    assert.ok(Object.hasOwn(tagged, text), text);
  }
  for (const text of Object.keys(tagged)) assert.ok(Object.hasOwn(bundle, text), `${text}: npm run docs`);
});

test("a text is English until a table has it", () => {
  const hello = (name: string, n: number) => say`${name} has ${n} rows`;
  const later = mark`rows`;
  assert.equal(hello("a", 2), "a has 2 rows");
  useTexts({ "{0} has {1} rows": "{1} Zeilen in {0}", rows: "Zeilen", "{0} row": "{0} Zeile" });
  assert.equal(hello("a", 2), "2 Zeilen in a");
  assert.equal(hello("{1}", 2), "2 Zeilen in {1}", "values are no templates");
  assert.equal(translated(later), "Zeilen");
  assert.equal(translated("toString"), "toString");
  assert.equal(filled("{0} row", [1]), "1 Zeile");
  assert.equal(say`nothing known of ${1}`, "nothing known of 1");
});

test("a table that cannot be read leaves English", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "noether-texts-"));
  const file = path.join(folder, "bundle.l10n.de.json");
  writeFileSync(file, '{"a text": "ein Text", "other": 3}');
  useTextsOf({ NOETHER_TEXTS: file });
  assert.equal(say`a text`, "ein Text");
  assert.equal(say`other`, "other");
  useTexts({});
  writeFileSync(file, "{");
  for (const NOETHER_TEXTS of [file, path.join(folder, "none"), "", undefined]) useTextsOf({ NOETHER_TEXTS });
  assert.equal(say`a text`, "a text");
  rmSync(folder, { recursive: true });
});

test("what an editor shows is translatable", async () => {
  // Every text in brackets: what stands outside of them goes past the table.
  const marked = Object.keys(tagged).map((t) => [t, `\u27e6${t}\u27e7`]);
  useTexts(Object.fromEntries(marked));
  const service = createAnalysisService();
  const unmarked = new Set<string>();
  const look = (rule: string, text: string): void => {
    if (!text.startsWith("\u27e6") || !text.endsWith("\u27e7")) unmarked.add(`${rule}: ${text}`);
  };
  try {
    for (const rule of rules.filter((r) => !r.measured && !r.onnxOnly)) {
      const answer = await service.analysePython("/example.py", rule.examples.bad);
      const found = answer.findings.filter((f) => f.rule === rule.id);
      assert.ok(found.length > 0, rule.id);
      for (const { message, related, fixes, silence } of found) {
        for (const line of message.split("\n")) look(rule.id, line);
        for (const { label } of related) look(rule.id, label);
        for (const { title } of [...fixes, ...silence]) look(rule.id, title);
      }
      const { models } = await service.structure("/example.py");
      for (const part of models.flatMap((m) => m.summary.split(" \u00b7 "))) look(rule.id, part);
    }
    assert.deepEqual([...unmarked], []);
  } finally {
    service.dispose();
  }
});
