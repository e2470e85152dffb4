/** @file Keras and Flax in the front end: names, what is opaque, training facts, and sources that are broken. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, test } from "node:test";
import type { PythonFile, PythonModel } from "../index";
import { prepare, project, randomNumbers } from "../testing/project.fixture";

before(prepare);

function analyse(text: string): PythonFile {
  return project({ "model.py": text }).analyse("model.py");
}

function one(text: string, name: string): PythonModel {
  const file = analyse(text);
  const found = file.models.find((m) => m.name === name);
  assert.ok(
    found,
    `${name} is not among ${file.models.map((m) => m.name).join()}: ${file.problems.map((p) => p.message).join()}`,
  );
  return found;
}

const names = (m: PythonModel): string[] => [...m.graph.parameters.keys()].sort();

const KERAS = "import keras\nfrom keras import layers, ops\n";
const LINEN = "import flax.linen as nn\nimport jax\nimport jax.numpy as jnp\nfrom flax import nnx\n";

describe("Keras", () => {
  test("layers without names are numbered by class, and nested ones live below their parent", () => {
    const m = one(
      `${KERAS}
class Block(layers.Layer):
    def __init__(self):
        super().__init__()
        self.parts = {"a": layers.Dense(4), "b": [layers.Dense(4, use_bias=False)]}
    def call(self, x):
        return self.parts["b"][0](self.parts["a"](x))

class Net(keras.Model):
    def __init__(self):
        super().__init__(name="net")
        self.blocks = [Block() for _ in range(2)]
        self.out = layers.Dense(3, name="out")
    def call(self, x, training=False):
        for b in self.blocks:
            x = b(x, training=training)
        return self.out(x)
`,
      "Net",
    );
    assert.deepEqual(names(m), [
      "block/dense/bias",
      "block/dense/kernel",
      "block/dense_1/kernel",
      "block_1/dense_2/bias",
      "block_1/dense_2/kernel",
      "block_1/dense_3/kernel",
      "out/bias",
      "out/kernel",
    ]);
    assert.deepEqual(
      m.layers.map((l) => l.scopes),
      [["block", "block_1"], ["block/dense", "block_1/dense_2"], ["block/dense_1", "block_1/dense_3"], ["out"]].filter(
        (s) => s[0]!.includes("dense") || s[0] === "out",
      ),
    );
  });

  test("a shared layer has one set of variables, and two models over the same layers read the same", () => {
    const text = `${KERAS}
def build(width=6):
    shared = layers.Dense(width, activation="relu", name="shared")
    a = keras.Input((4,), name="a")
    b = keras.Input((4,), name="b")
    x = layers.Subtract()([shared(a), shared(b)])
    return keras.Model(inputs=[a, b], outputs={"score": layers.Dense(1, name="score")(x)})
`;
    const m = one(text, "build");
    assert.deepEqual(names(m), ["score/bias", "score/kernel", "shared/bias", "shared/kernel"]);
    assert.deepEqual(
      m.graph.inputs.map((i) => i.name),
      ["a", "b"],
    );
  });

  test("functions are called with what the script calls them with; pragmas say so too", () => {
    const text = `${KERAS}
# noether: other(width=7)
def make_model(input_shape, num_classes):
    inputs = keras.Input(shape=input_shape)
    x = layers.Conv2D(4, 3)(inputs)
    x = layers.GlobalMaxPooling2D()(x)
    return keras.Model(inputs, layers.Dense(num_classes)(x))

def other(width):
    return keras.Sequential([keras.Input((3,)), layers.Dense(width)])

image_size = (8, 8)
model = make_model(input_shape=image_size + (3,), num_classes=9)
`;
    const file = analyse(text);
    assert.deepEqual(
      file.models.map((m) => m.name),
      ["make_model", "other"],
    );
    assert.deepEqual([...file.models[0]!.graph.parameters.get("dense/kernel")!.shape], [4, 9]);
    assert.deepEqual([...file.models[1]!.graph.parameters.get("dense/kernel")!.shape], [3, 7]);
  });

  test("frozen parts do not train, and their batch norms use their statistics", () => {
    const m = one(
      `${KERAS}
def build():
    inputs = keras.Input((4,))
    base = keras.Sequential([layers.Dense(5, name="d"), layers.BatchNormalization(name="bn")], name="base")
    base.trainable = False
    x = base(inputs, training=False)
    return keras.Model(inputs, layers.Dense(2, name="head")(x))
`,
      "build",
    );
    const trainable = [...m.graph.parameters.values()].filter((p) => p.trainable).map((p) => p.name);
    assert.deepEqual(trainable, ["head/kernel", "head/bias"]);
    assert.equal(m.graph.nodes.find((n) => n.operator === "BatchNormalization")?.attributes["training_mode"], 0);
  });

  test("what is not known is opaque and listed, the rest stands", () => {
    const m = one(
      `${KERAS}import third_party
def build():
    inputs = keras.Input((4,))
    x = layers.Dense(5, name="d")(inputs)
    x = third_party.Mystery(3)(x)
    x = layers.Dense(2, name="head")(x)
    return keras.Model(inputs, x)
`,
      "build",
    );
    assert.equal(m.opaque.length > 0, true);
    assert.ok(m.graph.parameters.has("d/kernel"));
  });

  test("training facts come from compile, fit and optimisers", () => {
    const { facts } = analyse(`${KERAS}
model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
schedule = keras.optimizers.schedules.CosineDecay(1e-3, 1000)
model.compile(optimizer=keras.optimizers.AdamW(learning_rate=schedule, weight_decay=0.05, beta_2=0.95, clipnorm=1.0),
              loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
(x_train, y_train), _ = keras.datasets.mnist.load_data()
model.fit(x_train, y_train, batch_size=64, epochs=3)
other = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
other.compile("sgd", "mse")
`);
    const [adam, sgd] = facts.optimisers;
    assert.equal(adam?.kind, "AdamW");
    assert.equal(adam.weightDecay?.value, 0.05);
    assert.deepEqual(adam.betas?.value, [0.9, 0.95]);
    assert.equal(adam.range.start.line, 5);
    assert.equal(sgd?.kind, "SGD");
    assert.equal(sgd.learningRate?.value, 0.01);
    assert.deepEqual(
      facts.schedules.map((s) => s.kind),
      ["CosineDecay"],
    );
    assert.deepEqual(
      facts.losses.map((s) => s.kind),
      ["SparseCategoricalCrossentropy", "mse"],
    );
    assert.equal(facts.batchSize?.value, 64);
    assert.equal(facts.gradientClipping?.value, 1);
    assert.equal(facts.trains, true);
  });
});

describe("Flax", () => {
  test("modules made in a call are numbered by class; those of setup are named by attributes", () => {
    const m = one(
      `${LINEN}
class Inner(nn.Module):
    width: int
    def setup(self):
        self.parts = [nn.Dense(self.width), nn.Dense(self.width, name="named")]
    def __call__(self, x):
        for p in self.parts:
            x = nn.relu(p(x))
        return x

class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = Inner(4)(x)
        x = Inner(width=3)(nn.Dense(5)(x))
        shift = self.param("shift", nn.initializers.zeros, (3,))
        return nn.Dense(2)(x + shift)
`,
      "Net",
    );
    assert.deepEqual(names(m), [
      "Dense_0.bias",
      "Dense_0.kernel",
      "Dense_1.bias",
      "Dense_1.kernel",
      "Inner_0.named.bias",
      "Inner_0.named.kernel",
      "Inner_0.parts_0.bias",
      "Inner_0.parts_0.kernel",
      "Inner_1.named.bias",
      "Inner_1.named.kernel",
      "Inner_1.parts_0.bias",
      "Inner_1.parts_0.kernel",
      "shift",
    ]);
    assert.deepEqual(m.graph.parameters.get("shift")?.initialisation?.constant, 0);
  });

  test("a module that runs twice has one set of variables", () => {
    const m = one(
      `${LINEN}
class Siamese(nn.Module):
    def setup(self):
        self.encoder = Encoder()
    def __call__(self, a, b):
        return jnp.sum(self.encoder(a) * self.encoder(b), axis=-1)

class Encoder(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(3)(nn.tanh(nn.Dense(4)(x)))
`,
      "Siamese",
    );
    assert.deepEqual(names(m), [
      "encoder.Dense_0.bias",
      "encoder.Dense_0.kernel",
      "encoder.Dense_1.bias",
      "encoder.Dense_1.kernel",
    ]);
  });

  test("a scan over layers is opaque", () => {
    const m = one(
      `${LINEN}
class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Dense(4)(x)
        Layers = nn.scan(nn.Dense, variable_axes={"params": 0}, length=3)
        return Layers(4)(x)
`,
      "Net",
    );
    assert.equal(m.opaque.length, 1);
    assert.ok(m.graph.parameters.has("Dense_0.kernel"));
  });

  test("nnx parameters are attributes, in containers too", () => {
    const m = one(
      `${LINEN}
class Net(nnx.Module):
    def __init__(self, din, dout, *, rngs: nnx.Rngs):
        self.blocks = nnx.List([nnx.Linear(din, din, rngs=rngs) for _ in range(2)])
        self.w = nnx.Param(jax.random.normal(rngs.params(), (din, dout)))
        self.b = nnx.Param(jnp.zeros((dout, 1)).astype(jnp.float32).transpose(1, 0).reshape(dout))
    def __call__(self, x):
        for block in self.blocks:
            x = nnx.gelu(block(x))
        return x @ self.w + self.b
`,
      "Net",
    );
    assert.deepEqual(names(m), ["b", "blocks.0.bias", "blocks.0.kernel", "blocks.1.bias", "blocks.1.kernel", "w"]);
  });

  test("training facts come from optax", () => {
    const { facts } = analyse(`${LINEN}import optax
schedule = optax.warmup_cosine_decay_schedule(0.0, 1e-3, 100, 1000)
tx = optax.chain(optax.clip_by_global_norm(0.5), optax.adamw(schedule, b2=0.98, weight_decay=0.1))
`);
    assert.equal(facts.optimisers[0]?.kind, "AdamW");
    assert.equal(facts.optimisers[0]?.weightDecay?.value, 0.1);
    assert.deepEqual(facts.optimisers[0]?.betas?.value, [0.9, 0.98]);
    assert.equal(facts.gradientClipping?.value, 0.5);
    assert.equal(facts.schedules.length, 1);
  });
});

describe("broken sources", () => {
  for (const file of ["in_keras.py", "in_linen.py", "in_nnx.py"]) {
    test(`${file}, with lines missing and characters changed, never throws`, () => {
      const text = readFileSync(`testFixtures/python/twins/${file}`, "utf8");
      const random = randomNumbers(5);
      const pick = (n: number): number => Math.floor(((random() + 1) / 2) * n);
      const p = project();
      for (let k = 0; k < 8; k++) {
        const lines = text.split("\n");
        for (let m = 0; m < 6; m++) {
          const at = pick(lines.length);
          const line = lines[at] ?? "";
          const kind = pick(4);
          if (kind === 0) lines.splice(at, 1);
          else if (kind === 1) lines[at] = line.slice(0, pick(line.length + 1));
          else if (kind === 2) lines[at] = line.replace(/\d+/, ["0", "7", "-1", "None", "x"][pick(5)]!);
          else lines[at] = line.replace(/[(),.=]/, ["", ")", "(", ",", " "][pick(5)]!);
        }
        p.update("mutant.py", lines.join("\n"));
        const found = p.analyse("mutant.py");
        assert.ok(found.facts.optimisers.length >= 0);
      }
    });
  }
});
