import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { Loader } from "./models";
import { packageFolders } from "./python-environment";

let folder: string;
const write = (name: string, text: string): void => {
  mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
  writeFileSync(path.join(folder, name), text);
};
before(() => {
  folder = mkdtempSync(path.join(tmpdir(), "noether-environment-"));
  write("project/pyproject.toml", "");
  write("project/.venv/pyvenv.cfg", "include-system-site-packages = false\n");
  write(
    "project/.venv/lib/python3.11/site-packages/blocks/__init__.py",
    "from torch import nn\nclass Block(nn.Module):\n    def __init__(self, d):\n        super().__init__()\n        self.up = nn.Linear(d, 7)\n        self.down = nn.Linear(7, d)\n    def forward(self, x):\n        return x + self.down(self.up(x).relu())\n",
  );
  write(
    "project/src/net.py",
    "from torch import nn\nfrom blocks import Block\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.body = nn.Sequential(Block(4), Block(4))\n    def forward(self, x):\n        return self.body(x)\n",
  );
  write("project/src/uses.py", 'from made import Inner\nmodel = Inner({"wide": 13, "narrow": 3})\n');
  write(
    "project/src/made.py",
    "from torch import nn\nclass Inner(nn.Module):\n    def __init__(self, what):\n        super().__init__()\n        self.fc = nn.Linear(what['wide'], what['narrow'])\n    def forward(self, x):\n        return self.fc(x)\n",
  );
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("the environment of a project is found from its folders, before the active one", () => {
  const project = path.join(folder, "project");
  const own = path.join(project, ".venv/lib/python3.11/site-packages");
  assert.deepEqual(packageFolders(path.join(project, "src"), project, { VIRTUAL_ENV: "/elsewhere" }), [own]);
  assert.deepEqual(packageFolders(folder, folder, { VIRTUAL_ENV: path.join(project, ".venv") }), [own]);
});

test("a class of an installed package is read from there", async () => {
  const file = await new Loader({ analysis: { numeric: false } }).load(path.join(folder, "project/src/net.py"));
  const [model] = file.models;
  assert.deepEqual(model?.analysis.opaque, []);
  assert.equal(model?.analysis.spaces.filter((s) => s.size === 7).length, 2);
});

test("a class that only another file of the workspace can make is made as that file does", async () => {
  const file = await new Loader({ analysis: { numeric: false } }).load(path.join(folder, "project/src/made.py"));
  assert.deepEqual(file.problems, []);
  assert.deepEqual(file.models[0]?.graph.parameters.get("fc.weight")?.shape, [3, 13]);
  assert.match((file.models[0]?.notes ?? []).join("; "), /as uses\.py makes it/);
});
