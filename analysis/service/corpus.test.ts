/** @file The corpus (testing/corpus.ts): what is found, what fixes write, and the numbers behind both. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compatibleFixes } from "../fixes/apply";
import { checkFile } from "../fixes/check";
import type { CheckedModel } from "../rules/checked";
import { inertParameters } from "../rules/inert";
import { difference, influence } from "../rules/testing/claims";
import { checkedFile } from "./checked-file";
import type { LoadedFile } from "./loaded";
import { Loader } from "./models";
import { cases, corpusRules, REALISTIC, relevant, wanted, written } from "./testing/corpus";
import { edited } from "./testing/edited";

/** Rules whose fixes take a bias away. */
const INERT: ReadonlySet<string> = new Set(["bias-before-norm", "inert-key-bias"]);

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

for (const rule of corpusRules()) {
  describe(`corpus ${rule}`, () => {
    for (const { title, python, expected } of cases(rule)) {
      it(title, async () => {
        const name = `${title.replaceAll(" ", "-")}.py`;
        const loader = new Loader({ analysis: { numeric: false } });
        const loaded = await loader.loadPython(name, python);
        assert.ok(loaded.models.length > 0, "no model was found");
        const isInert = INERT.has(rule);
        const isRealistic = rule === REALISTIC;
        // What is opaque is a problem; the rules on inert biases are to see all of their snippets.
        if (isInert) assert.deepEqual(loaded.problems, []);
        if (isInert) for (const m of loaded.models) assert.deepEqual(m.analysis.opaque, [], `${m.name} has opaque operators`);
        const findings = relevant(rule, expected, checkFile(checkedFile(loaded)));
        const found = findings.map((f) => written(python, f)).map((line) => (isRealistic ? line.split(" -> ")[0]! : line));
        assert.deepEqual(found.sort(), wanted(expected).sort());
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
        if (isInert) for (const m of checkedFile(loaded).models) checkClaims(m);
        const edits = compatibleFixes(findings, "exact").flatMap(({ fix }) => fix.edits);
        if (edits.length === 0 || isRealistic) return;
        const fixed = await loader.loadPython(name, edited(python, edits));
        assert.deepEqual(
          checkFile(checkedFile(fixed)).filter((f) => f.fixes.some((fix) => fix.exact)),
          [],
        );
        assert.equal(fixed.models.length, loaded.models.length);
        // Without a bias that nothing sees the model is smaller and the same function.
        if (!findings.some((f) => f.fixes.some((fix) => fix.exact) && INERT.has(f.rule))) return;
        assert.ok(parameters(fixed) < parameters(loaded), "the fix takes parameters away");
        fixed.models.forEach((m, i) => {
          const d = difference(loaded.models[i]!.analysis.graph, m.analysis.graph);
          assert.ok(d < 1e-9, `the fix moves the outputs of ${m.name} by ${d}`);
        });
      });
    }
  });
}
