/** @file Findings and fixes in Keras and Flax sources: the right place, the right words, and a text without the finding after the fix. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkFile } from "../fixes/check";
import type { Finding, TextEdit } from "../rules/finding";
import { checkedFile } from "./checked-file";
import { Loader } from "./models";
import { createAnalysisService } from "./service";

async function findings(text: string): Promise<Finding[]> {
  const file = await new Loader({ analysis: { numeric: false } }).loadPython("/nowhere/model.py", text);
  return checkFile(checkedFile(file)).filter((f) => /bias/.test(f.rule));
}

function applied(text: string, edits: readonly TextEdit[]): string {
  const lines = text.split("\n");
  for (const { range, newText } of [...edits].reverse()) {
    const { start, end } = range;
    const line = lines[start.line]!;
    assert.equal(start.line, end.line);
    lines[start.line] = line.slice(0, start.column) + newText + line.slice(end.column);
  }
  return lines.join("\n");
}

/** The code at a finding. */
function codeAt(text: string, f: Finding): string {
  const { start, end } = f.range!;
  return text.split("\n")[start.line]!.slice(start.column, start.line === end.line ? end.column : undefined);
}

const CASES: readonly (readonly [name: string, text: string, message: RegExp, code: string, fixed: string])[] = [
  [
    "a functional model through a helper",
    `import keras
from keras import layers

def conv_bn(x, filters):
    x = layers.Conv2D(filters, 3, padding="same")(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x)

def build(width=4):
    inputs = keras.Input((8, 8, 3))
    x = conv_bn(conv_bn(inputs, width), width)
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
`,
    /^bias of `conv2d` has no effect: `batch_normalization` subtracts its mean \(4 parameters\)/,
    'layers.Conv2D(filters, 3, padding="same")',
    'layers.Conv2D(filters, 3, padding="same", use_bias=False)',
  ],
  [
    "a Sequential model",
    `from tensorflow import keras
model = keras.Sequential()
model.add(keras.layers.Dense(6, input_shape=(5,), use_bias=True))
model.add(keras.layers.BatchNormalization())
model.add(keras.layers.Activation("relu"))
model.add(keras.layers.Dense(2))
`,
    /^bias of `dense` has no effect/,
    "keras.layers.Dense(6, input_shape=(5,), use_bias=True)",
    "keras.layers.Dense(6, input_shape=(5,), use_bias=False)",
  ],
  [
    "linen",
    `import flax.linen as nn

class Net(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool):
        x = nn.Conv(features=4, kernel_size=(3, 3))(x)
        x = nn.BatchNorm(use_running_average=not train)(x)
        return nn.Dense(2)(nn.relu(x).mean((1, 2)))
`,
    /^bias of `Conv_0` has no effect: `BatchNorm_0` subtracts its mean/,
    "nn.Conv(features=4, kernel_size=(3, 3))",
    "nn.Conv(features=4, kernel_size=(3, 3), use_bias=False)",
  ],
  [
    "nnx",
    `from flax import nnx

class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.fc = nnx.Linear(3, 4, rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.head = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        return self.head(nnx.relu(self.norm(self.fc(x))))
`,
    /^bias of `fc` has no effect: `norm` subtracts its mean/,
    "nnx.Linear(3, 4, rngs=rngs)",
    "nnx.Linear(3, 4, rngs=rngs, use_bias=False)",
  ],
];

describe("bias before a batch norm", () => {
  for (const [name, text, message, code, fixed] of CASES) {
    it(name, async () => {
      const [first, ...others] = await findings(text);
      assert.ok(first, "a finding");
      assert.equal(first.rule, "bias-before-norm");
      assert.match(first.message, message);
      assert.equal(codeAt(text, first), code);
      assert.deepEqual(others, []);
      const [fix] = first.fixes;
      assert.ok(fix?.exact);
      const after = applied(text, fix.edits);
      assert.ok(after.includes(fixed), after);
      assert.deepEqual(await findings(after), []);
    });
  }

  it("is silent where the statistics are frozen", async () => {
    const text = CASES[2]![1].replace("not train", "True");
    assert.deepEqual(await findings(text), []);
  });
});

describe("key biases", () => {
  it("are found in attention layers, without a fix that would take the other biases along", async () => {
    const text = `import keras
from keras import layers

def build():
    inputs = keras.Input((5, 4))
    x = layers.MultiHeadAttention(2, 3, name="attn")(inputs, inputs)
    return keras.Model(inputs, layers.Dense(2)(x))
`;
    const key = (await findings(text)).find((f) => f.rule === "inert-key-bias");
    assert.match(key?.message ?? "", /^`attn\/key\/bias` has no effect/);
    assert.equal(key && codeAt(text, key), 'layers.MultiHeadAttention(2, 3, name="attn")');
    assert.deepEqual(key?.fixes, []);
  });
});

describe("certification", () => {
  const sources: readonly (readonly [string, string])[] = [
    [
      "Keras",
      `import keras
from keras import layers

def build():
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 3, padding="same", activation="relu")(inputs)
    x = layers.LayerNormalization()(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(2)(x))
`,
    ],
    [
      "Flax",
      `import flax.linen as nn

class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.tanh(nn.Dense(3)(x))
        return nn.Dense(2)(nn.Dense(3)(x))
`,
    ],
  ];
  for (const [name, text] of sources) {
    it(`of a model in ${name} applies its symmetries to weights in their own layouts`, async () => {
      const service = createAnalysisService();
      try {
        await service.analysePython("/nowhere/model.py", text);
        const { models } = await service.certify("/nowhere/model.py");
        const { certificate } = models[0]!.json as {
          certificate?: { status: string; dimensions?: { explained: number; measured: number } };
        };
        assert.equal(certificate?.status, "certified", JSON.stringify(certificate));
        const { dimensions } = certificate;
        assert.equal(dimensions?.explained, dimensions?.measured);
      } finally {
        service.dispose();
      }
    });
  }
});
