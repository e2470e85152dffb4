/** @file Dropout in source code: noise passes symmetries, and makes visible what a norm would otherwise forget. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkFile } from "../fixes/check";
import { checkedFile } from "./checked-file";
import { Loader } from "./models";

const net = (between: string): string => `from torch import nn
import torch.nn.functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.drop = nn.Dropout(0.2)
        self.norm = nn.BatchNorm2d(8)
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        return self.out(self.norm(${between}).relu())
`;

const CASES: readonly (readonly [what: string, between: string, findings: readonly string[]])[] = [
  ["nothing", "self.conv(x)", ["bias-before-norm"]],
  ["a dropout layer", "self.drop(self.conv(x))", []],
  ["dropout as a function", "F.dropout2d(self.conv(x), 0.1, self.training)", []],
  ["dropout of rate zero", "F.dropout(self.conv(x), 0.0)", ["bias-before-norm"]],
  ["dropout that is switched off", "F.dropout(self.conv(x), 0.5, training=False)", ["bias-before-norm"]],
];

for (const [what, between, expected] of CASES) {
  test(`between a bias and its norm: ${what}`, async () => {
    const file = await new Loader({ analysis: { numeric: false } }).loadPython("net.py", net(between));
    const rules = checkFile(checkedFile(file)).map((f) => f.rule);
    assert.deepEqual(
      rules.filter((r) => r === "bias-before-norm"),
      expected,
    );
    const [model] = file.models;
    assert.deepEqual(
      model?.analysis.spaces.map((s) => s.size),
      [8],
      "noise does not end a channel space",
    );
  });
}
