/** @file `inert-direction-before-norm`: the direction of a bias that a layer norm or group norm takes off again. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import type { CheckedFile, CheckedModel } from "./checked";
import { inertParameters } from "./inert";
import { layerName, layerOf, placeKey, placeOf } from "./layers";
import type { Detection, Rule } from "./rule";
import { type ShiftQuestion, unseenShifts } from "./shifts";
import { code, few, shortPath } from "./words";

/** Biases of which the mean over all channels, or over each group of them, does nothing. */
export const inertDirectionBeforeNorm: Rule = {
  id: "inert-direction-before-norm",
  title: "Inert direction of a bias before a norm",
  severity: "hint",
  category: "redundancy",
  since: "0.1.0",
  documentation: {
    what: "Layer norm subtracts the mean over channels, group norm over each group: that much of a bias before it does nothing.",
    why:
      "LN(x + c 1) = LN(x): of a bias b in R^n only b - mean(b) 1 counts, one direction of n is inert, or one for each group under " +
      "group norm. Its gradient is exactly zero. The same holds for each column of the weight before it. The rest of the bias " +
      "counts, so that it must stay.",
    whenNot:
      "Nothing needs to change: one direction of many is cheap. RMS norm subtracts no mean and has no such direction. It explains " +
      "why the mean of such a bias drifts under Adam or decays for nothing.",
    references: [
      "Ba, Kiros and Hinton 2016, Layer Normalization (arXiv 1607.06450)",
      "Zhang and Sennrich 2019, Root Mean Square Layer Normalization (arXiv 1910.07467)",
    ],
  },
  examples: examplesFrom(
    `from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.norm = nn.LayerNorm(16)
        self.fc2 = nn.Linear(16, 3)

    def forward(self, x):
        return self.fc2(self.norm(self.fc1(x)).relu())
`,
    { fixed: [["self.fc1 = nn.Linear(8, 16)", "self.fc1 = nn.Linear(8, 16, bias=False)"]], good: [[").relu())", ".relu()))"]] },
  ),
  claims: [
    {
      kind: "flat",
      says: "One direction of the 16 of `fc1.bias` does not move the function, and none where an activation stands between.",
      parameters: ["fc1.bias"],
      bad: 1,
      good: 0,
    },
  ],
  check: (file) => (file.language === "python" ? file.models.flatMap((model) => detections(file, model)) : []),
};

const NORMS: ReadonlySet<string> = new Set(["LayerNormalization", "GroupNormalization", "InstanceNormalization"]);

/** Candidates that are asked about at most in one model: what repeats is made by few calls. */
const MOST = 200;

function detections(file: CheckedFile, model: CheckedModel): Detection[] {
  const { graph } = model;
  const norms = graph.nodes.filter((n) => NORMS.has(n.operator));
  if (norms.length === 0) return [];
  const normParameters = new Set(graph.nodes.flatMap((n) => (/Norm/.test(n.operator) ? n.inputs.slice(1) : [])));
  // Group norms are written as instance norms of regrouped channels, too: their number of groups is a size there.
  const groups = new Set(
    norms.flatMap((n) => {
      const count =
        n.attributes["num_groups"] ?? (n.operator === "InstanceNormalization" ? graph.types.get(n.inputs[0]!)?.shape?.[1] : 1);
      return typeof count === "number" ? [count] : [];
    }),
  );
  const already = new Set(inertParameters(model).map((p) => p.parameter.name));
  const questions: ShiftQuestion[] = [];
  const counts = new Map<string, number>();
  const calls = new Set<string>();
  for (const p of graph.parameters.values()) {
    if (!p.trainable || p.shape.length !== 1 || p.shape[0]! < 2) continue;
    if (already.has(p.name) || normParameters.has(p.name) || !/bias/.test(p.name)) continue;
    // One of all layers that a call makes stands for the others.
    const layer = layerOf(model, p.name);
    const call = layer ? placeKey(layer.constructor) : p.name;
    if (layer?.constructor.file !== file.file || calls.has(call) || questions.length >= MOST) continue;
    calls.add(call);
    for (const n of new Set([1, ...groups])) {
      if (p.shape[0]! % n !== 0 || p.shape[0] === n) continue;
      const key = `${n} ${p.name}`;
      counts.set(key, n);
      questions.push({ key, shape: [n], moves: [{ parameter: p.name, sign: 1, repeat: p.shape[0]! / n }] });
    }
  }
  const unseen = unseenShifts(graph, questions);
  const best = new Map<string, number>();
  for (const [key, found] of unseen) {
    const name = key.slice(key.indexOf(" ") + 1);
    const subtracted = found.every((f) => f.segment === undefined && f.forgottenBy.some((b) => b.how === "mean"));
    if (subtracted) best.set(name, Math.max(best.get(name) ?? 0, counts.get(key)!));
  }
  return [...best].flatMap(([name, n]): Detection[] => {
    const place = placeOf(file, model, name);
    if (!place) return [];
    const size = graph.parameters.get(name)!.shape[0]!;
    const by = unseen.get(`${n} ${name}`)![0]!.forgottenBy.map((f) => f.node.origin.scope ?? "");
    const names = [...new Set(by.filter((s) => s !== ""))].map((s) => code(shortPath(s)));
    return [
      {
        message: [
          say`${n === 1 ? "the mean" : `${n} group means`} of the bias of ${code(layerName(model, name))} ${n === 1 ? say`has` : say`have`} no effect: ${names.length > 0 ? few(names) : "the norm"} ${names.length > 1 ? say`subtract` : say`subtracts`} it`,
          say`${n} of its ${size} directions ${n === 1 ? say`is` : say`are`} inert; the others count.`,
        ].join("\n"),
        ...place,
        related: [],
        symmetry: `R^${n} on ${name}`,
      },
    ];
  });
}
