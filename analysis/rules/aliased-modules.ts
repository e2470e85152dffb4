/** @file `aliased-modules`: a list that was meant to hold several modules and holds one several times. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import type { SharedModule } from "../frontends/python/index";
import type { CheckedFile, CheckedModel } from "./checked";
import { codes } from "./layers";
import type { Detection, Rule } from "./rule";
import { code, few, shortPath } from "./words";

/** Containers whose members are one module. */
export const aliasedModules: Rule = {
  id: "aliased-modules",
  title: "One module in several places of a list",
  severity: "error",
  category: "sharing",
  since: "0.1.0",
  documentation: {
    what: "A container holds the same module object several times, as `[module] * n` makes it: the layers share all weights.",
    why:
      "Multiplying a list repeats references. n layers have the parameters of one, `model.parameters()` lists them once, and " +
      "their gradients add up: dL/dw = sum over the n uses. In parallel the copies compute the same value n times; in series the " +
      "network is a recurrent one. Symmetry that the author counted on to break (n independent draws) is not there to begin with.",
    whenNot:
      "Sharing weights across depth on purpose (ALBERT, universal transformers) is better written as a loop over one attribute, " +
      "which is not reported. Modules without parameters (activations, dropout, pooling) may be shared freely and are not reported.",
    references: [
      "Python FAQ: How do I create a multidimensional list? (why multiplication repeats references)",
      "Lan et al. 2019, ALBERT (weights shared across layers on purpose)",
    ],
  },
  examples: examplesFrom(
    `import torch
from torch import nn


class Heads(nn.Module):
    def __init__(self, dim=16, classes=4):
        super().__init__()
        self.heads = nn.ModuleList([nn.Linear(dim, classes)] * 3)

    def forward(self, x):
        return torch.stack([head(x) for head in self.heads])
`,
    {
      fixed: [["] * 3)", " for _ in range(3)])"]],
      good: `import torch
from torch import nn


class Steps(nn.Module):
    def __init__(self, dim=16, steps=3):
        super().__init__()
        self.steps = steps
        self.step = nn.Linear(dim, dim)
        self.active = nn.ModuleList([nn.ReLU()] * steps)

    def forward(self, x):
        for active in self.active:
            x = active(self.step(x))
        return x
`,
    },
  ),
  claims: [{ kind: "entries", says: "The repeated list has 68 trained entries, the comprehension 204.", bad: 68, fixed: 204 }],
  check: (file) =>
    file.models.flatMap((model) => (model.inventory?.shared ?? []).flatMap((shared) => detection(file, model, shared))),
};

function detection(file: CheckedFile, model: CheckedModel, shared: SharedModule): Detection[] {
  const inContainer = shared.scopes.filter((s) => /(^|\.)\d+$/.test(s));
  if (inContainer.length < 2) return [];
  const range = shared.repeated ?? shared.container ?? shared.constructor;
  if (range?.file !== file.file) return [];
  // Writing one name twice in a list is a decision; repeating it by a loop or a product rarely is.
  if (!shared.repeated && listsByHand(file, range)) return [];
  const list = shared.scopes[0]!.replace(/\.\d+$/, "");
  const n = inContainer.length;
  const tensors = shared.parameters;
  const lines = [
    say`${code(shortPath(list))} holds one ${shared.kind} ${n} times: ${tensors} parameter ${tensors === 1 ? say`tensor` : say`tensors`}, not ${n * tensors}`,
    say`${few(codes(inContainer))} are the same object in ${code(model.name)}; their gradients add up.`,
  ];
  return [
    {
      message: lines.join("\n"),
      ...(shared.repeated ? {} : { severity: "warning" as const }),
      range,
      file: file.file,
      related:
        shared.constructor && shared.repeated === undefined
          ? [{ label: say`the module is made here`, range: shared.constructor }]
          : [],
      symmetry: `${n} names for the same ${tensors} tensors`,
      ...(shared.repeated ? { remedy: { kind: "comprehension" as const, range: shared.repeated } } : {}),
    },
  ];
}

/** Whether the call that makes the container lists its members one by one. */
function listsByHand(
  file: CheckedFile,
  range: { readonly start: { readonly line: number }; readonly end: { readonly line: number } },
): boolean {
  const lines =
    file.text
      ?.split("\n")
      .slice(range.start.line, range.end.line + 1)
      .join("\n") ?? "";
  return !/\bfor\b|\*/.test(lines) && lines.includes(",");
}
