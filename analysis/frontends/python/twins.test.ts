/**
 * @file The same models in PyTorch, Keras and Flax (testFixtures/python/twins): the same function of the same weights, and the
 * same symmetries. What is measured on one is what is explained on all.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Graph, Parameter } from "../../graph/graph";
import { elementCount, type Tensor } from "../../graph/tensor";
import { normalForm } from "../../lowering/normal-form";
import { evaluateGraph } from "../../operators/evaluate";
import { analyse } from "../../symmetry/analyse";
import type { ModelAnalysis } from "../../symmetry/analysis";
import { measureDimension } from "../../symmetry/counting/jacobian";
import type { PythonModel } from "./index";
import { prepare, project, randomNumbers } from "./testing/project.fixture";

before(prepare);

const FOLDER = "testFixtures/python/twins";

/** Input shapes in PyTorch's layout, by model; whole numbers below the given bound where there is one. */
const INPUTS: Readonly<Record<string, { readonly shape: readonly number[]; readonly below?: number }>> = {
  MlpRelu: { shape: [4, 3] },
  MlpTanh: { shape: [4, 3] },
  LinearChain: { shape: [4, 4] },
  ConvBn: { shape: [4, 2, 4, 4] },
  ConvFlatten: { shape: [4, 2, 6, 6] },
  Residual: { shape: [4, 2, 4, 4] },
  Depthwise: { shape: [4, 2, 4, 4] },
  Grouped: { shape: [4, 2, 4, 4] },
  Conv1dNet: { shape: [4, 5, 3] },
  ConvAutoencoder: { shape: [4, 2, 4, 4] },
  UNet: { shape: [4, 2, 4, 4] },
  GroupNormNet: { shape: [4, 2, 4, 4] },
  SqueezeExcite: { shape: [4, 2, 4, 4] },
  Branches: { shape: [4, 3] },
  Highway: { shape: [4, 4] },
  SwiGlu: { shape: [4, 3] },
  LayerNormMlp: { shape: [4, 3] },
  Gpt: { shape: [4, 5], below: 6 },
  TiedLanguageModel: { shape: [4, 5], below: 6 },
  CrossAttention: { shape: [4, 5, 3] },
  GroupedQuery: { shape: [4, 5, 3] },
  Vit: { shape: [4, 2, 4, 4] },
  Mixer: { shape: [4, 5, 3] },
  Moe: { shape: [4, 3] },
  Autoencoder: { shape: [4, 5] },
  BagOfWords: { shape: [4, 5], below: 7 },
  Lstm: { shape: [4, 4, 3] },
  LstmSequence: { shape: [4, 4, 3] },
  BiLstm: { shape: [4, 4, 3] },
  Gru: { shape: [4, 4, 3] },
};

/** What a leaf of PyTorch's names is called elsewhere. */
const LEAVES: Readonly<Record<string, readonly string[]>> = {
  weight: ["kernel", "gamma", "embeddings", "scale", "embedding"],
  bias: ["bias", "beta"],
  running_mean: ["moving_mean", "mean"],
  running_var: ["moving_variance", "var"],
};

/** The parameter of PyTorch's model that one of the other model is. */
function twinOf(name: string, torch: Graph): Parameter {
  const path = name
    .replace(/\//g, ".")
    .replace(".attn.out.", ".attn.attention_output.")
    .replace(/^decoder\.layers\.([02])/, (_, k) => (k === "0" ? "dec1" : "dec2"));
  const found = [...torch.parameters.values()].filter((p) => {
    const cut = p.name.lastIndexOf(".") + 1;
    const leaf = p.name.slice(cut);
    return (LEAVES[leaf] ?? [leaf]).some(
      (l) => path === p.name.slice(0, cut) + l || path.endsWith(`.${p.name.slice(0, cut)}${l}`),
    );
  });
  found.sort((a, b) => b.name.length - a.name.length);
  assert.ok(found[0], `${name} is none of ${[...torch.parameters.keys()].join(", ")}`);
  return found[0];
}

/** Axes of PyTorch's weight in the order of a kernel (spatial, in, out); kernels of attention are flattened first. */
function asKernel(weight: Tensor, shape: readonly number[], depthwise: boolean): Tensor {
  const from = weight.shape;
  const perm =
    from.length === 2
      ? [1, 0]
      : depthwise
        ? [...from.map((_, i) => i).slice(2), 0, 1]
        : [...from.map((_, i) => i).slice(2), 1, 0];
  const to = perm.map((p) => from[p]!);
  const data = new Float64Array(weight.data.length);
  const index = new Array<number>(to.length).fill(0);
  for (let i = 0; i < data.length; i++) {
    let at = 0;
    const place = new Array<number>(from.length).fill(0);
    perm.forEach((p, k) => {
      place[p] = index[k]!;
    });
    for (let k = 0; k < from.length; k++) at = at * from[k]! + place[k]!;
    data[i] = weight.data[at]!;
    for (let k = to.length - 1; k >= 0; k--) {
      if (++index[k]! < to[k]!) break;
      index[k] = 0;
    }
  }
  assert.equal(elementCount(shape), data.length, `${shape.join("x")} and ${to.join("x")}`);
  return { type: weight.type, shape: [...shape], data };
}

function channelsLast(x: Tensor): Tensor {
  if (x.shape.length !== 4) return x;
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const data = new Float64Array(x.data.length);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < c; k++)
      for (let a = 0; a < h; a++)
        for (let b = 0; b < w; b++) data[((i * h + a) * w + b) * c + k] = x.data[((i * c + k) * h + a) * w + b]!;
  return { type: x.type, shape: [n, h, w, c], data };
}

function run(graph: Graph, values: ReadonlyMap<string, Tensor>): Tensor[] {
  const lowered = normalForm(graph, { epsilon: "keep", maxRecurrentSteps: Number.POSITIVE_INFINITY }).graph;
  const all = evaluateGraph(lowered, values);
  return lowered.outputs.map((o) => all.get(o)!);
}

/** Both models with the same random weights on the same random input give the same. */
function sameFunction(torch: PythonModel, other: PythonModel, below: number | undefined): void {
  const random = randomNumbers(11);
  const values = new Map<string, Tensor>();
  for (const p of torch.graph.parameters.values()) {
    const positive = p.name.endsWith("running_var");
    const data = Float64Array.from({ length: elementCount(p.shape) }, () => (positive ? 1.5 + random() : random()));
    values.set(p.name, { type: p.type, shape: p.shape, data });
  }
  const [input] = torch.graph.inputs;
  const draw = below === undefined ? random : () => Math.floor(((random() + 1) / 2) * below);
  const x: Tensor = {
    type: input!.type,
    shape: input!.shape,
    data: Float64Array.from({ length: elementCount(input!.shape) }, draw),
  };
  const expected = run(torch.graph, new Map([...values, [input!.name, x]]));
  const theirs = new Map<string, Tensor>();
  for (const p of other.graph.parameters.values()) {
    const twin = twinOf(p.name, torch.graph);
    const w = values.get(twin.name)!;
    const turned = p.name.endsWith("kernel") && twin.name.endsWith(".weight");
    const depthwise = turned && twin.shape.length === 4 && twin.shape[1] === 1 && p.shape.at(-1) === 1;
    theirs.set(p.name, turned ? asKernel(w, p.shape, depthwise) : { ...w, shape: p.shape });
  }
  const [theirInput] = other.graph.inputs;
  theirs.set(theirInput!.name, channelsLast(x));
  const found = run(other.graph, theirs);
  assert.equal(found.length, expected.length);
  found.forEach((y, k) => {
    const want = channelsLast(expected[k]!);
    assert.deepEqual([...y.shape], [...want.shape]);
    y.data.forEach((v, i) => {
      assert.ok(Math.abs(v - want.data[i]!) <= 1e-9 * (1 + Math.abs(v)), `output ${k}, entry ${i}: ${v} against ${want.data[i]}`);
    });
  });
}

/** What must not depend on the framework. */
function claims(a: ModelAnalysis): unknown {
  return {
    parameters: a.parameters,
    continuous: a.continuous,
    opaque: a.opaque,
    swaps: a.swaps.length,
    spaces: a.spaces.map((s) => `${s.size} ${s.group}`).sort(),
    // How translations fall into pieces depends on the shape that a bias has.
    symmetries: a.symmetries
      .filter((s) => s.kind !== "translation" && s.kind !== "unread")
      .map((s) => `${s.kind} ${s.group} ${s.dimension}`)
      .sort(),
  };
}

const analyses = new Map<string, ModelAnalysis>();

function torchTwin(name: string): { model: PythonModel; analysis: ModelAnalysis } {
  const { shape, below } = INPUTS[name]!;
  const inputs = [{ shape, type: below === undefined ? ("float32" as const) : ("int64" as const) }];
  const model = project().analyseNamed(`${FOLDER}/in_torch.py`, name, { inputs });
  assert.deepEqual(model.opaque, [], name);
  let analysis = analyses.get(name);
  if (!analysis) {
    analysis = analyse(model.graph);
    const { measurable, continuous } = analysis;
    assert.ok(measurable, `${name} is small enough for ranks`);
    const measured = measureDimension(measurable, { explained: continuous.total }).dimension;
    assert.equal(continuous.total, measured, `${name}: explained and measured`);
    analyses.set(name, analysis);
  }
  return { model, analysis };
}

/** The files of twins, with the models that they do not have. */
const FILES: Readonly<Record<string, readonly string[]>> = {
  "in_keras.py": [],
  "in_linen.py": [
    "Depthwise",
    "ConvAutoencoder",
    "UNet",
    "SqueezeExcite",
    "Highway",
    "CrossAttention",
    "GroupedQuery",
    "Lstm",
    "LstmSequence",
    "BiLstm",
    "Gru",
  ],
  "in_nnx.py": Object.keys(INPUTS).filter(
    (n) => !"MlpRelu LinearChain ConvBn Highway SwiGlu LayerNormMlp TiedLanguageModel Vit Autoencoder Moe".split(" ").includes(n),
  ),
};

for (const [file, absent] of Object.entries(FILES)) {
  describe(file, () => {
    for (const [name, { shape, below }] of Object.entries(INPUTS)) {
      if (absent.includes(name)) continue;
      test(`${name} is PyTorch's ${name}`, () => {
        const torch = torchTwin(name);
        const last = shape.length === 4 ? [shape[0]!, shape[2]!, shape[3]!, shape[1]!] : shape;
        const p = project();
        // A model that says what it takes is made of its own input.
        let other = p.analyseNamed(`${FOLDER}/${file}`, name);
        if (other.graph.inputs[0]?.shape.join() !== last.join())
          other = p.analyseNamed(`${FOLDER}/${file}`, name, {
            inputs: [{ shape: last, type: below === undefined ? "float32" : "int64" }],
          });
        assert.deepEqual(
          other.opaque.map((o) => `${o.operator}: ${o.reason}`),
          [],
        );
        sameFunction(torch.model, other, below);
        // The graphs of Flax's twins are built by the same rules as Keras's: ranks are taken for small ones only.
        const numeric = file === "in_keras.py" || torch.analysis.parameters < 80;
        const mine = analyse(other.graph, { numeric });
        assert.deepEqual(claims(mine), claims(numeric ? torch.analysis : analyse(torch.model.graph, { numeric })));
      });
    }
  });
}
