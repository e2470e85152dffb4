/** @file Notebooks, from the file to findings, hovers and structure at the lines of cells. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { editedNotebook } from "../fixes/edited-files";
import { notebookCell } from "../fixes/notebook";
import { Linter } from "./linter";
import { createAnalysisService } from "./service";

/** Training before the model, magics, a cell of another language, and a cell that does not parse. */
const CELLS: readonly (readonly [type: string, source: string])[] = [
  ["markdown", "# A model"],
  ["code", "%matplotlib inline\n!pip install torch\nimport torch\nfrom torch import nn\n"],
  ["code", "optimizer = torch.optim.SGD(Net().parameters(), lr=0.1, momentum=0.9)"],
  ["code", "%%bash\nls 'unfinished"],
  [
    "code",
    "%%time\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.conv = nn.Conv2d(3, 8, 3)\n        self.norm = nn.BatchNorm2d(8)\n        self.out = nn.Conv2d(8, 2, 1)\n\n    def forward(self, x):\n        return self.out(self.norm(self.conv(x)).relu())\n",
  ],
  ["code", "model = Net(\n"],
  ["code", "help?\nmodel = Net()\nmodel"],
];
const TEXT = JSON.stringify({
  nbformat: 4,
  metadata: {},
  cells: CELLS.map(([cell_type, source]) => ({ cell_type, source: source.split(/(?<=\n)/), metadata: {}, outputs: [] })),
});

let folder: string;
let file: string;
before(() => {
  folder = mkdtempSync(path.join(tmpdir(), "noether-notebook-"));
  file = path.join(folder, "train.ipynb");
  writeFileSync(file, TEXT);
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("the command line's linter names cell, line and column", async () => {
  const { findings, models, failure } = await new Linter().lint(file);
  assert.equal(failure, undefined);
  assert.equal(models, 1);
  const finding = findings.find((f) => f.rule === "bias-before-norm");
  assert.equal(finding?.file, `${file}#cell=4`);
  assert.deepEqual(finding?.range?.start, { line: 4, column: 20 });
  assert.equal(finding?.range?.file, `${file}#cell=4`);
  const edit = finding?.fixes[0]?.edits[0];
  assert.equal(edit?.range.file, `${file}#cell=4`);
  const line = CELLS[4]![1].split("\n")[edit!.range.start.line]!;
  const mended = line.slice(0, edit!.range.start.column) + edit!.newText + line.slice(edit!.range.end.column);
  assert.equal(mended, "        self.conv = nn.Conv2d(3, 8, 3, bias=False)");
});

test("the editor's service places findings, hovers, models and structure in cells", async () => {
  const service = createAnalysisService();
  try {
    const answer = await service.analysePython(file, TEXT);
    const cell = `${file}#cell=4`;
    assert.equal(answer.findings.find((f) => f.rule === "bias-before-norm")?.range?.file, cell);
    assert.ok(answer.findings.every((f) => f.range?.file.startsWith(`${file}#cell=`)));
    assert.ok(answer.hovers.some((h) => h.range.file === cell && h.range.start.line === 4));
    assert.deepEqual(answer.models[0]?.range?.start, { line: 1, column: 6 });
    assert.equal(answer.models[0]?.range?.file, cell);
    const structure = await service.structure(file);
    assert.equal(structure.models[0]?.range?.file, cell);
    assert.ok(structure.hints.length > 0 && structure.hints.every((h) => h.range.file === cell));
    assert.ok(
      answer.problems.some((p) => p.range?.file === `${file}#cell=5`),
      "the cell that does not parse is named",
    );
  } finally {
    service.dispose();
  }
});

test("rewrites are edits of cells, clear of the lines that make a cell something else", async () => {
  const service = createAnalysisService();
  try {
    const cells = [
      "%%bash\nls",
      "%%time\nimport torch\nfrom torch import nn",
      "%%capture out\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.a = nn.Linear(4, 8)\n        self.b = nn.Linear(8, 2)\n\n    def forward(self, x):\n        return self.b(torch.relu(self.a(x)))",
      "net = Net()\noptimizer = torch.optim.SGD(net.parameters(), lr=0.1)",
    ];
    const source = JSON.stringify({ cells: cells.map((c) => ({ cell_type: "code", source: c.split(/(?<=\n)/) })) });
    await service.analysePython(file, source);
    const at = (cell: number, line: number, column: number) => ({
      file: `${file}#cell=${cell}`,
      start: { line, column },
      end: { line, column },
    });
    const asked = [at(2, 4, 20), at(3, 1, 14)];
    const fixes = (await Promise.all(asked.map((range) => service.rewrites(file, range)))).flat();
    assert.ok(fixes.length >= 4, `${fixes.length} fixes`);
    assert.deepEqual(await service.rewrites(file, at(0, 1, 0)), [], "no Python there");
    for (const { title, edits } of fixes) {
      const { content } = editedNotebook(file, source, edits);
      const edited = cells.map((_, i) => notebookCell(String(content), i).source);
      assert.equal(edited[0], cells[0], title);
      assert.ok(edited[1]!.startsWith("%%time\n"), title);
      assert.ok(edited[2]!.startsWith("%%capture out\n"), title);
      const answer = await service.analysePython(file, String(content));
      assert.deepEqual(
        answer.problems.map((p) => p.message),
        [],
        `${title}\n${edited.join("\n---\n")}`,
      );
    }
  } finally {
    service.dispose();
  }
});
