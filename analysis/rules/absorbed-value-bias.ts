/** @file `absorbed-value-bias`: the bias of an attention's values, which the output projection's bias can take over. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import { consumers, type Graph, type Node, producers } from "../graph/graph";
import { elementCount, int64Vector } from "../graph/tensor";
import { normalForm } from "../lowering/normal-form";
import { findInertParameters, type InertParameter } from "../symmetry/inert/inert";
import type { CheckedFile, CheckedModel } from "./checked";
import { LAYOUT, linearStructure } from "./contractions";
import { inertParameters } from "./inert";
import { layerName, layerOf, placeOf } from "./layers";
import type { Detection, Rule } from "./rule";
import { code, values } from "./words";

/** Value biases behind which a later bias stands. */
export const absorbedValueBias: Rule = {
  id: "absorbed-value-bias",
  title: "Value bias that the output bias absorbs",
  severity: "hint",
  category: "redundancy",
  since: "0.1.0",
  documentation: {
    what: "Attention's values have a bias, and so has the projection behind: the second one can do what the first one does.",
    why:
      "The weights of a row of attention sum to one, so that a bias of the values passes through unchanged: softmax(s) (V + 1 b^T) = " +
      "softmax(s) V + 1 b^T. After the output projection it is the constant W_O b, which b_O absorbs: f(b_V + c, b_O - W_O c) = " +
      "f(b_V, b_O).",
    whenNot:
      "The two differ in how they learn, checkpoints expect the bias, and the cost is small: a hint. Dropout on the attention " +
      "weights makes rows sum to something else while training, so that the bias is visible there; nothing is reported then.",
    references: ["Namazifar et al. 2023, Role of Bias Terms in Dot-Product Attention (arXiv 2302.08626)"],
  },
  examples: examplesFrom(
    `import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(-2, -1)
        return self.out(torch.softmax(scores, dim=-1) @ self.value(x))
`,
    {
      fixed: [["self.value = nn.Linear(dim, dim)", "self.value = nn.Linear(dim, dim, bias=False)"]],
      good: [["self.out(torch.softmax(scores, dim=-1)", "self.out(torch.sigmoid(scores)"]],
    },
  ),
  claims: [
    {
      kind: "flat",
      says: "Of the 32 entries of both biases 16 directions do not move the function: one bias would do; not so under a sigmoid.",
      parameters: ["value.bias", "out.bias"],
      bad: 16,
      good: 0,
    },
  ],
  check: (file) => file.models.flatMap((model) => detections(file, model)),
};

/** A projection behind an attention with the bias that is added to it. */
interface OutputBias {
  readonly add: Node;
  readonly bias: string;
}

/** Biased projections that read, linearly, what a softmax weighs. */
function outputBiases(normal: Graph): OutputBias[] {
  const softmaxed = new Set<string>();
  const writers = producers(normal);
  const readers = consumers(normal);
  const linear = linearStructure(normal);
  const isSoftmax = (value: string, depth = 0): boolean => {
    const node = writers.get(value);
    if (!node || depth > 8) return false;
    return node.operator === "Softmax" || (LAYOUT.has(node.operator) && isSoftmax(node.inputs[0]!, depth + 1));
  };
  const out: OutputBias[] = [];
  for (const node of normal.nodes) {
    if (node.operator === "MatMul" && isSoftmax(node.inputs[0]!)) softmaxed.add(node.outputs[0]!);
    else if (LAYOUT.has(node.operator) && softmaxed.has(node.inputs[0]!)) softmaxed.add(node.outputs[0]!);
    const c = linear.contractions.get(node);
    if (!c || !softmaxed.has(c.data)) continue;
    for (const add of readers.get(node.outputs[0]!) ?? []) {
      const bias = add.operator === "Add" ? add.inputs.find((i) => normal.parameters.get(i)?.trainable) : undefined;
      if (bias !== undefined) out.push({ add, bias });
    }
  }
  return out;
}

/** The parameters that do nothing once the given sums are taken without their means: what their biases can absorb. */
function absorbed(normal: Graph, outputs: readonly OutputBias[]): InertParameter[] {
  const constants = new Map(normal.constants);
  const nodes: Node[] = [];
  const sums = new Map(outputs.map((o) => [o.add, o]));
  for (const node of normal.nodes) {
    const own = sums.get(node);
    const y = node.inputs.find((i) => i !== own?.bias);
    const rank = y === undefined ? undefined : normal.types.get(y)?.shape?.length;
    if (!own || y === undefined || rank === undefined) {
      nodes.push(node);
      continue;
    }
    // All axes but the last, which is the channels' in a projection.
    const axes = `${y}/axes~`;
    constants.set(axes, int64Vector(Array.from({ length: rank - 1 }, (_, i) => i)));
    const make = (operator: string, inputs: readonly string[], output: string, attributes: Node["attributes"] = {}): string => {
      nodes.push({ name: output, operator, domain: "", inputs, outputs: [output], attributes, origin: {} });
      return output;
    };
    const mean = make("ReduceMean", [y, axes], `${y}/mean~`, { keepdims: 1, noop_with_empty_axes: 0 });
    const centred = make("Sub", [y, mean], `${y}/centred~`);
    nodes.push({ ...node, inputs: [centred, own.bias] });
  }
  const { graph } = normalForm({ ...normal, nodes, constants });
  return findInertParameters(graph);
}

function detections(file: CheckedFile, model: CheckedModel): Detection[] {
  if (model.graph.nodes.some((n) => n.operator === "Dropout" && n.domain === "")) return [];
  const normal = model.normal();
  if (!normal.nodes.some((n) => n.operator === "Softmax")) return [];
  const outputs = outputBiases(normal);
  if (outputs.length === 0) return [];
  // Part of a packed projection, or all of a parameter.
  const key = ({ parameter, segment }: InertParameter): string => `${parameter.name} ${segment?.start ?? ""}`;
  const already = new Set(inertParameters(model).map(key));
  const found = absorbed(normal, outputs).filter(
    (p) => !already.has(key(p)) && !outputs.some((o) => o.bias === p.parameter.name),
  );
  return found.flatMap(({ parameter: { name, shape }, segment }): Detection[] => {
    const place = placeOf(file, model, name);
    if (!place || shape.length !== 1) return [];
    const next = outputs.find((o) => sameModule(o.bias, name)) ?? outputs[0]!;
    const layer = layerOf(model, name);
    const behind = layerOf(model, next.bias);
    const size = segment ? segment.end - segment.start : elementCount(shape);
    const subject = segment
      ? say`bias of the values in ${code(layerName(model, name))}`
      : say`bias of ${code(layerName(model, name))}`;
    return [
      {
        message: [
          say`${subject} is absorbed: ${code(layerName(model, next.bias))} has a bias behind it (${values(size)})`,
          say`Rows of attention sum to one, so that a constant added to the values is a constant added to the output.`,
        ].join("\n"),
        ...place,
        related: behind && behind !== layer ? [{ label: say`the bias that absorbs it`, range: behind.constructor }] : [],
        symmetry: `R^${size} on ${name}, ${next.bias}`,
      },
    ];
  });
}

/** Whether two parameters are of layers of one module. */
function sameModule(a: string, b: string): boolean {
  const parent = (p: string): string => p.split(".").slice(0, -2).join(".");
  return parent(a) === parent(b);
}
