/** @file `unused-parameters`: parameters from which no output is computed. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import type { UnreadPart } from "../frontends/python/index";
import type { CheckedFile, CheckedModel } from "./checked";
import { placeKey } from "./layers";
import type { Detection, Rule } from "./rule";
import { code, shortPath, values } from "./words";

/** Trained parameters on which all of translation acts, because nothing reads them. */
export const unusedParameters: Rule = {
  id: "unused-parameters",
  title: "Parameters that reach no output",
  severity: "warning",
  category: "redundancy",
  since: "0.1.0",
  documentation: {
    what: "A layer or parameter is registered and given to the optimiser, but no output of the model depends on it.",
    why:
      "f(theta + c) = f(theta) for every c on these entries: the gradient is exactly zero, or None, so DistributedDataParallel " +
      "stops with an error unless it searches for unused parameters in every step. They take memory for weights and optimiser " +
      "state, weight decay shrinks them, and a reader takes them for part of the model.",
    whenNot:
      "Layers that another method or a branch of forward uses (an auxiliary head, an exported feature extractor) are mentioned " +
      "elsewhere in the file and are not reported; neither are parts that other instances of the same class use.",
    references: [
      "PyTorch documentation, DistributedDataParallel, find_unused_parameters",
      "Godfrey et al. 2022, On the Symmetries of Deep Learning Models and their Internal Representations (arXiv 2205.14258)",
    ],
  },
  examples: examplesFrom(
    `from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.extra = nn.Linear(16, 16)
        self.fc2 = nn.Linear(16, 3)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())
`,
    {
      fixed: [["        self.extra = nn.Linear(16, 16)\n", ""]],
      good: `from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.extra = nn.Linear(16, 16)
        self.fc2 = nn.Linear(16, 3)

    def forward(self, x, deep=False):
        x = self.fc1(x).relu()
        if deep:
            x = self.extra(x).relu()
        return self.fc2(x)
`,
    },
  ),
  claims: [{ kind: "same-function", says: "Without the layer the model computes the same, at equal weights." }],
  check: (file) => {
    if (file.language !== "python") return [];
    // What one call makes is unused when none of its instances is used, in whatever model.
    const read = new Set(
      file.models.flatMap((m) => (m.inventory?.parameters ?? []).flatMap((p) => (p.read && p.range ? [placeKey(p.range)] : []))),
    );
    return file.models.flatMap((model) => (model.inventory?.unread ?? []).flatMap((part) => detection(file, model, part, read)));
  },
};

function detection(file: CheckedFile, model: CheckedModel, part: UnreadPart, read: ReadonlySet<string>): Detection[] {
  const { range, scope, entries } = part;
  if (range?.file !== file.file || entries === 0 || read.has(placeKey(range))) return [];
  // Behind something that is not understood nobody knows what is read.
  if (model.graph.outputs.length === 0 || model.graph.nodes.some((n) => n.domain === "python")) return [];
  const attribute = scope.split(".").find((p) => p !== "" && !/^\d+$/.test(p) && !isModulePrefix(model, scope, p)) ?? scope;
  const name = /^\d+$/.test(scope.split(".").at(-1)!) ? attribute : scope.split(".").at(-1)!;
  const mentions = mentioned(file.text ?? "", name);
  // Applied, and the result goes nowhere; or not even mentioned again.
  const isDropped = part.applied && mentions > 1;
  if (!isDropped && mentions !== 1) return [];
  if (isDropped && !forwardDrops(file.text ?? "", name)) return [];
  return [
    {
      message: say`${code(shortPath(scope))} is never used: no output of ${code(model.name)} depends on it (${values(entries)})`,
      range,
      file: file.file,
      related: [],
      symmetry: `R^${entries} on ${part.parameters.slice(0, 4).join(", ")}`,
      ...(isDropped ? {} : { remedy: { kind: "remove-statement" as const, call: range, attribute: name } }),
    },
  ];
}

/** Whether a part of a path is only on the way to what is unread. */
function isModulePrefix(model: CheckedModel, scope: string, part: string): boolean {
  const at = scope.split(".").indexOf(part);
  const prefix = scope
    .split(".")
    .slice(0, at + 1)
    .join(".");
  return prefix !== scope && (model.inventory?.parameters ?? []).some((p) => p.read && p.name.startsWith(`${prefix}.`));
}

/** How often a name is written in code or in a string; comments do not count. */
function mentioned(text: string, name: string): number {
  const code = text.replace(/#.*$/gm, "");
  return [...code.matchAll(new RegExp(`\\b${name}\\b`, "g"))].length;
}

/** Whether all that is done with a layer's result is to drop it: a call as a statement, or an assignment to `_`. */
function forwardDrops(text: string, name: string): boolean {
  const uses = text.split("\n").filter((l) => new RegExp(`\\b${name}\\b`).test(l.replace(/#.*$/, "")));
  const [, ...later] = uses;
  return later.length > 0 && later.every((l) => new RegExp(`^\\s*(_\\s*=\\s*)?self\\.${name}\\(.*\\)\\s*(#.*)?$`).test(l));
}
