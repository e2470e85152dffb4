import assert from "node:assert/strict";
import { test } from "node:test";
import { editedNotebook, fileOfPlace } from "./edited-files";
import { notebookCell } from "./notebook";

/** As Jupyter writes it, but for an output and a key that stand where they need not. */
const NOTEBOOK = `{
 "cells": [
  { "cell_type": "markdown", "source": "a \\"title\\", [x]" },
  {
   "outputs": [{"text": ["source", "\\u00e9"], "n": [1e5, -2, null, true]}],
   "cell_type": "code",
   "source": [
    "import torch\\n",
    "s = 'h\\u00e9'\\n",
    "x = Linear(3, 4)"
   ],
   "metadata": {}
  },
  {"cell_type": "code", "source": []},
  {"source": "y = Linear(3, 4)\\nz", "cell_type": "code"}
 ],
 "nbformat": 4
}
`;

const edit = (cell: number, line: number, column: number, newText: string) => {
  const place = { line, column };
  return { range: { file: `n.ipynb#cell=${cell}`, start: place, end: place }, newText };
};

test("an edit changes its line and nothing else", () => {
  const { content, texts } = editedNotebook("n.ipynb", NOTEBOOK, [
    edit(1, 2, 15, ", bias=False"),
    edit(3, 0, 15, ", bias=False"),
  ]);
  assert.equal(content, NOTEBOOK.replaceAll("(3, 4)", "(3, 4, bias=False)"));
  assert.deepEqual(
    texts.map((t) => [t.name, t.after]),
    [
      ["n.ipynb#cell=1", "import torch\ns = 'h\u00e9'\nx = Linear(3, 4, bias=False)"],
      ["n.ipynb#cell=3", "y = Linear(3, 4, bias=False)\nz"],
    ],
  );
});

test("lines come and go in the notebook's own layout", () => {
  const added = editedNotebook("n.ipynb", NOTEBOOK, [edit(1, 1, 0, "# \u00fc\n")]).content;
  assert.equal(added, NOTEBOOK.replace('    "s =', '    "# \\u00fc\\n",\n    "s ='));
  assert.equal(notebookCell(String(added), 1).source, "import torch\n# \u00fc\ns = 'h\u00e9'\nx = Linear(3, 4)");
  const all = { range: { file: "n.ipynb#cell=1", start: { line: 0, column: 0 }, end: { line: 2, column: 16 } }, newText: "" };
  const emptied = String(editedNotebook("n.ipynb", NOTEBOOK, [all]).content);
  assert.equal(notebookCell(emptied, 3).source, "y = Linear(3, 4)\nz");
  assert.doesNotThrow(() => JSON.parse(emptied));
});

test("a line of a cell is found in the file", () => {
  const lines = NOTEBOOK.split("\n");
  const { lineInFile } = notebookCell(NOTEBOOK, 1);
  assert.match(lines[lineInFile(0)]!, /import torch/);
  assert.match(lines[lineInFile(2)]!, /x = Linear/);
  assert.match(lines[notebookCell(NOTEBOOK, 3).lineInFile(1)]!, /y = Linear/);
});

test("what does not fit is refused with the file's name", () => {
  assert.throws(() => editedNotebook("n.ipynb", NOTEBOOK, [edit(7, 0, 0, "x")]), /^Error: n\.ipynb: it has no cell 7 with code/);
  assert.throws(() => editedNotebook("n.ipynb", NOTEBOOK, [edit(1, 9, 0, "x")]), /^Error: n\.ipynb: .* outside of the text/);
  assert.throws(() => editedNotebook("n.ipynb", "{", [edit(1, 0, 0, "x")]), /^Error: n\.ipynb: /);
  assert.equal(fileOfPlace("a/n.ipynb#cell=12"), "a/n.ipynb");
  assert.equal(fileOfPlace("a/n.py#cell=12"), "a/n.py#cell=12");
});
