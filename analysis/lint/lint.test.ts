import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, it } from "node:test";
import { applyEdits, compatibleFixes } from "../fixes/apply";
import type { Finding, TextEdit } from "../rules/finding";
import { againstBaseline, BaselineError, countFindings, readBaseline, writeBaseline } from "./baseline";
import { commentsOf } from "./comments";
import { silencingFixes } from "./silence";
import { readSuppressions, suppress, unusedSuppression } from "./suppressions";

function finding(rule: string, line: number, last = line, file = "a.py"): Finding {
  const range = { file, start: { line, column: 4 }, end: { line: last, column: 9 } };
  return { rule, severity: "warning", file, range, message: rule, symmetry: "", related: [], fixes: [] };
}

describe("comments", () => {
  it("are not what strings hold", () => {
    const text = [
      "a = '#no'  # yes 1",
      'b = """',
      "# no",
      '"""  # yes 2',
      "c = 'it\\'s # no'",
      "d = 'open # no",
      "# yes 3",
      "e = r'\\' # yes?",
    ].join("\n");
    const found = commentsOf(text);
    assert.deepEqual(
      found.slice(0, 3).map((c) => [c.line, c.text, c.alone]),
      [
        [0, "# yes 1", false],
        [3, "# yes 2", false],
        [6, "# yes 3", true],
      ],
    );
  });
});

describe("suppressions", () => {
  const kept = (text: string, ...findings: Finding[]) =>
    suppress(findings, readSuppressions(text)).kept.map((f) => `${f.rule}@${f.range!.start.line}`);

  it("silence their line, the next line of code, or the last line of a statement", () => {
    const text = [
      "x  # noether: ignore[a] because",
      "# noether: ignore[a, b]: reason",
      "",
      "# more",
      "y",
      "z(",
      ")  # noether: ignore",
    ].join("\n");
    assert.deepEqual(kept(text, finding("a", 0), finding("b", 0)), ["b@0"]);
    assert.deepEqual(kept(text, finding("a", 4), finding("b", 4), finding("c", 4)), ["c@4"]);
    assert.deepEqual(kept(text, finding("c", 5, 6)), []);
    assert.deepEqual(
      readSuppressions(text).map((s) => s.reason),
      ["because", "reason", ""],
    );
  });

  it("silence blocks and files, by rule or all", () => {
    const text = ["# noether: off[a] -- old", "1", "# noether: off", "3", "# noether: on[a]", "5", "# noether: on", "7"].join(
      "\n",
    );
    assert.deepEqual(kept(text, finding("a", 1), finding("b", 1)), ["b@1"]);
    assert.deepEqual(kept(text, finding("a", 3), finding("b", 3), finding("b", 5), finding("a", 5)), []);
    assert.deepEqual(kept(text, finding("a", 7), finding("b", 7)), ["a@7", "b@7"]);
    assert.deepEqual(kept("x\ny\n# noether: ignore-file[a]", finding("a", 0), finding("b", 0)), ["b@0"]);
    assert.deepEqual(kept("x = '# noether: ignore-file'", finding("a", 0)), ["a@0"]);
    assert.equal(readSuppressions("# noether: Model(width=4), input=(1, 2)").length, 0, "a pragma silences nothing");
  });

  it("that are of no use are found, and removed without a trace", () => {
    const text = "x = 1  # noether: ignore[a]\n    # noether: ignore-file\ny = 2\n";
    const { unused } = suppress([], readSuppressions(text));
    assert.equal(unused.length, 2);
    const edits = unused.flatMap((s) => unusedSuppression("a.py", text, s, "warning").fixes[0]!.edits);
    assert.equal(applyEdits(text, edits), "x = 1\ny = 2\n");
  });
});

describe("silencing", () => {
  const silenced = (text: string, line: number): string[] =>
    silencingFixes(finding("a", line), text).map((fix) => applyEdits(text, fix.edits));

  for (const text of [
    "x = f()\n",
    "x = f()  # why\n",
    "x = f()  # noether: ignore[b] why\n",
    "    # noether: ignore[b]\n    x = f()\n",
    "x = f(\\\n  1)\n",
    'x = f("""\n""")\n',
    "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\nx = f()\r\n",
  ]) {
    it(`silences its finding in ${JSON.stringify(text)}`, () => {
      const at = text.split("\n").findIndex((l) => l.includes("x = "));
      for (const changed of silenced(text, at)) {
        const moved = changed.split("\n").findIndex((l) => l.includes("x = "));
        assert.deepEqual(suppress([finding("a", moved)], readSuppressions(changed)).kept, [], changed);
        assert.equal(suppress([finding("c", moved)], readSuppressions(changed)).kept.length, 1, changed);
        assert.ok(!text.startsWith("#!") || changed.startsWith("#!"));
      }
    });
  }
});

describe("fixes", () => {
  const edit = (from: [number, number], to: [number, number], newText: string): TextEdit => ({
    range: { file: "a.py", start: { line: from[0], column: from[1] }, end: { line: to[0], column: to[1] } },
    newText,
  });

  it("are applied in any line endings", () => {
    assert.equal(applyEdits("ab\r\ncd\ne", [edit([1, 1], [1, 2], "X"), edit([0, 2], [0, 2], "!")]), "ab!\r\ncX\ne");
    assert.equal(applyEdits("ab\n", [edit([0, 0], [1, 0], "")]), "");
  });

  it("made for another text are refused", () => {
    assert.throws(() => applyEdits("ab\n", [edit([3, 0], [3, 1], "")]), /a\.py: line 4, column 1 is outside of the text/);
    assert.throws(() => applyEdits("ab\n", [edit([0, 5], [0, 6], "")]), /outside of the text/);
  });

  it("that overlap are left for another round, and repeated ones count once", () => {
    const fix = (exact: boolean, ...edits: TextEdit[]) => [{ title: "", exact, edits }];
    const a = { ...finding("a", 0), fixes: fix(true, edit([0, 0], [0, 4], "A")) };
    const b = { ...finding("b", 0), fixes: fix(true, edit([0, 2], [0, 3], "B"), edit([2, 0], [2, 1], "B")) };
    const c = { ...finding("c", 0), fixes: fix(false, edit([3, 0], [3, 1], "C")) };
    assert.deepEqual(
      compatibleFixes([a, a, b, c], "exact").map((x) => x.finding.rule),
      ["a"],
    );
    assert.deepEqual(
      compatibleFixes([b, a, c], "all").map((x) => x.finding.rule),
      ["b", "c"],
    );
  });
});

describe("the baseline", () => {
  const folder = path.resolve("/p");
  const at = (rule: string, line: number, name: string) => finding(rule, line, line, path.join(folder, name));
  const old = [at("a", 1, "x.py"), at("a", 2, "x.py"), at("b", 3, "y.py")];

  it("accepts what it counts, wherever that has moved, and reports a rule of a file whole when there is more", () => {
    const counts = countFindings(old, folder);
    assert.deepEqual(counts, { "x.py": { a: 2 }, "y.py": { b: 1 } });
    const files = ["x.py", "y.py"].map((f) => path.join(folder, f));
    const moved = [at("a", 9, "x.py"), at("a", 7, "x.py"), at("b", 1, "y.py")];
    assert.deepEqual(againstBaseline(moved, counts, folder, files), {
      beyond: [],
      accepted: 3,
      stale: 0,
      moved: [],
    });
    const more = againstBaseline([...moved, at("a", 4, "x.py"), at("c", 4, "x.py")], counts, folder, files);
    assert.equal(more.beyond.length, 4);
    assert.equal(againstBaseline([], counts, folder, files.slice(0, 1)).stale, 3, "y.py is gone");
  });

  it("follows a file that was renamed or moved, where only one can be meant", () => {
    const counts = countFindings(old, folder);
    const against = (...findings: ReturnType<typeof at>[]) =>
      againstBaseline(
        findings,
        counts,
        folder,
        findings.map((f) => f.file),
      );
    const renamed = [at("a", 1, "z.py"), at("a", 2, "z.py")];
    assert.deepEqual(against(...renamed).moved, [["x.py", "z.py"]]);
    assert.deepEqual(against(...renamed).beyond, []);
    assert.deepEqual(against(at("b", 1, "sub/y.py")).moved, [["y.py", "sub/y.py"]]);
    assert.equal(against(at("b", 1, "sub/other.py")).beyond.length, 1, "another name in another folder");
    assert.equal(against(...renamed, at("a", 1, "w.py"), at("a", 2, "w.py")).beyond.length, 4, "two could be meant");
    assert.equal(against(at("a", 1, "z.py")).beyond.length, 1, "other counts");
  });

  it("counts a notebook's cells together", () => {
    assert.deepEqual(countFindings([at("a", 1, "n.ipynb#cell=1"), at("a", 1, "n.ipynb#cell=3")], folder), {
      "n.ipynb": { a: 2 },
    });
  });

  it("is written and read, and says what is wrong with it", () => {
    const place = mkdtempSync(path.join(tmpdir(), "noether-baseline-"));
    const file = path.join(place, "b.json");
    const [x, y] = ["x.py", "y.py"].map((f) => path.join(place, f)) as [string, string];
    writeFileSync(x, "");
    writeBaseline(file, [finding("a", 1, 1, x)], [x]);
    assert.deepEqual(readBaseline(file), { "x.py": { a: 1 } });
    writeBaseline(file, [finding("b", 1, 1, y)], [y]);
    assert.deepEqual(readBaseline(file), { "x.py": { a: 1 }, "y.py": { b: 1 } }, "what was not checked stays");
    writeBaseline(file, [], [x]);
    assert.deepEqual(readBaseline(file), {}, "x.py is clean, y.py is not there");
    assert.throws(() => writeBaseline(x, [], [x]), BaselineError, "no other file is written over");
    assert.match(readFileSync(file, "utf8"), /"version": 1/);
    for (const bad of ["{", "{}", '{"files": {"x.py": {"a": -1}}}']) {
      writeFileSync(file, bad);
      assert.throws(() => readBaseline(file), BaselineError);
    }
    rmSync(place, { recursive: true });
    assert.throws(() => readBaseline(file), /cannot be read/);
  });
});
