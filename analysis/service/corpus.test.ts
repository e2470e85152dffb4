/**
 * @file The corpus of Python snippets in testFixtures/corpus: for each what must be found and nothing besides, and what its
 * fix writes. After the fix the finding must be gone and the model smaller by the bias.
 *
 * A case is a title behind `===`, Python, and behind `==>` the expectations: `no findings`, or one line per finding with its
 * rule, the text that it stands on and, behind `->`, that text after the fix (¶ is a line break); `message:` a line that some
 * message has; `spaces Net: 8 6` the sizes of a model's channel spaces.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { checkFile } from "../fixes/check";
import { lineStarts, offsetAt } from "../fixes/python-text";
import type { SourceRange } from "../graph/source";
import type { CheckedModel } from "../rules/checked";
import type { Finding } from "../rules/finding";
import { inertParameters } from "../rules/inert";
import { difference, influence } from "../rules/testing/claims";
import { checkedFile, type LoadedFile, Loader } from "./models";
import { edited } from "./testing/edited";

const FOLDER = path.resolve(import.meta.dirname, "../../testFixtures/corpus");

interface Case {
  readonly title: string;
  readonly python: string;
  readonly expected: readonly string[];
}

function cases(file: string): Case[] {
  const text = readFileSync(path.join(FOLDER, file), "utf8");
  return text
    .split(/^=== /m)
    .slice(1)
    .map((part) => {
      const [head, expectations, ...more] = part.split(/^==>\n/m);
      assert.ok(head !== undefined && expectations !== undefined && more.length === 0, `${file}: a case without ==>`);
      const at = head.indexOf("\n");
      return {
        title: head.slice(0, at),
        python: head.slice(at + 1),
        expected: expectations.split("\n").filter((line) => line.trim() !== ""),
      };
    });
}

function textAt(text: string, range: SourceRange, extra = 0): string {
  const starts = lineStarts(text);
  const end = offsetAt(starts, range.end, text.length) + extra;
  return text.slice(offsetAt(starts, range.start, text.length), end).replaceAll("\n", "¶");
}

/** Rules whose fixes take a bias away. */
const INERT: ReadonlySet<string> = new Set(["bias-before-norm", "inert-key-bias"]);

/** A finding as the corpus writes it. */
function written(text: string, f: Finding): string {
  const before = `${f.rule}: ${textAt(text, f.range!)}`;
  const [fix] = f.fixes;
  if (!fix) return before;
  const after = edited(text, fix.edits);
  return `${before} -> ${textAt(after, f.range!, after.length - text.length)}`;
}

/** Everything that is called inert has exactly no influence, and every other bias has some. */
function checkClaims(model: CheckedModel): void {
  const found = inertParameters(model).filter((p) => !p.segment);
  for (const { parameter } of found) {
    const i = influence(model.graph, parameter.name);
    assert.ok(i < 1e-9, `${parameter.name} is called inert and has an influence of ${i}`);
  }
  for (const p of model.graph.parameters.values()) {
    if (!p.trainable || !p.name.endsWith("bias") || found.some((f) => f.parameter.name === p.name)) continue;
    const i = influence(model.graph, p.name);
    assert.ok(i > 1e-9, `${p.name} has no influence (${i}) and was not found`);
  }
}

/** All trained entries. */
function parameters(file: LoadedFile): number {
  return file.models.reduce((n, m) => n + m.analysis.parameters, 0);
}

for (const file of readdirSync(FOLDER).filter((f) => f.endsWith(".txt"))) {
  describe(`corpus ${file}`, () => {
    for (const { title, python, expected } of cases(file)) {
      it(title, async () => {
        const name = `${title.replaceAll(" ", "-")}.py`;
        const loader = new Loader({ analysis: { numeric: false } });
        const loaded = await loader.loadPython(name, python);
        assert.deepEqual(loaded.problems, []);
        assert.ok(loaded.models.length > 0, "no model was found");
        for (const m of loaded.models) assert.deepEqual(m.analysis.opaque, [], `${m.name} has opaque operators`);
        // Hints of other rules are the business of their own files.
        const mine = new Set([file.replace(/\.txt$/, ""), ...expected.map((line) => line.split(":")[0]!)]);
        const isLoud = (f: Finding) => f.severity === "error" || f.severity === "warning";
        const findings = checkFile(checkedFile(loaded)).filter((f) => mine.has(f.rule) || isLoud(f));
        const wanted = expected.filter((line) => !/^(message|spaces \w+|no findings)/.test(line));
        assert.deepEqual(findings.map((f) => written(python, f)).sort(), [...wanted].sort());
        for (const line of expected) {
          const [kind, value = ""] = line.split(/: ?(.*)/s) as [string, string?];
          if (kind === "message") {
            const messages = findings.flatMap((f) => f.message.split("\n"));
            assert.ok(messages.includes(value), `${messages.join("\n")} has no line: ${value}`);
          } else if (kind.startsWith("spaces ")) {
            const model = loaded.models.find((m) => m.name === kind.slice(7));
            const sizes = (list: readonly number[]) => [...list].sort((a, b) => a - b).join(" ");
            const found = sizes(model?.analysis.spaces.map((s) => s.size) ?? []);
            assert.equal(
              found,
              sizes(
                value
                  .split(" ")
                  .filter((w) => w !== "")
                  .map(Number),
              ),
            );
          }
        }
        for (const m of checkedFile(loaded).models) checkClaims(m);
        const edits = findings.flatMap((f) => f.fixes.flatMap((fix) => fix.edits));
        if (edits.length === 0) return;
        const fixed = await loader.loadPython(name, edited(python, edits));
        assert.deepEqual(
          checkFile(checkedFile(fixed)).filter((f) => f.fixes.length > 0),
          [],
        );
        assert.equal(fixed.models.length, loaded.models.length);
        // Without a bias that nothing sees the model is smaller and the same function.
        if (!findings.some((f) => f.fixes.length > 0 && INERT.has(f.rule))) return;
        assert.ok(parameters(fixed) < parameters(loaded), "the fix takes parameters away");
        fixed.models.forEach((m, i) => {
          const d = difference(loaded.models[i]!.analysis.graph, m.analysis.graph);
          assert.ok(d < 1e-9, `the fix moves the outputs of ${m.name} by ${d}`);
        });
      });
    }
  });
}
