import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Loader } from "./models";
import { structureOf } from "./structure";

const TEXT = `import torch.nn as nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        return x + self.down(self.up(x).relu())


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(3, 8)
        self.blocks = nn.Sequential(*[Block(8) for _ in range(3)])
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)))
`;

describe("the structure of a file", () => {
  const lineOf = (text: string): number => TEXT.slice(0, TEXT.indexOf(text)).split("\n").length - 1;
  const made = new Loader({ analysis: { numeric: false } })
    .loadPython("net.py", TEXT)
    .then((f) => structureOf("net.py", f.models));

  it("says where each space of a model is, and who writes and who reads it", async () => {
    const net = (await made).models.find((m) => m.name === "Net");
    assert.ok(net);
    assert.equal(net.range?.start.line, lineOf("class Net"));
    assert.match(net.summary, /^4 groups · at least 104 of [\d,]+ parameters are symmetry · risk low$/);
    const stream = net.spaces.find((s) => s.size === 8)!;
    const sides = stream.members.map((m) => `${m.scope} ${m.side} ${m.places.join("+")}`).sort();
    assert.ok(sides.includes("stem out weight/0+bias/0"));
    assert.ok(sides.includes("blocks.1.up in weight/1"));
    assert.ok(sides.includes("head in weight/1"));
    const hidden = net.spaces.filter((s) => s.size === 32);
    assert.equal(hidden.length, 3);
    assert.deepEqual(
      hidden[0]!.members.map((m) => [m.range.start.line, m.side]),
      [
        [lineOf("self.up ="), "out"],
        [lineOf("self.down ="), "in"],
      ],
    );
  });

  it("labels axes by letters, the same where the space is the same, once per call", async () => {
    const { hints } = await made;
    const at = (text: string) => hints.filter((h) => h.range.start.line === lineOf(text)).map((h) => h.label);
    const [stem] = at("self.stem =");
    const [head] = at("self.head =");
    assert.match(stem!, /^[a-z]:8$/);
    assert.equal(head, stem, "the head reads the stream that the stem writes");
    assert.ok(
      at("self.up =").some((l) => /^[a-z]:8 → [a-z]:32 \(one of 3\)$/.test(l)),
      at("self.up =").join(),
    );
  });
});
