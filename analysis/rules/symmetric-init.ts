/** @file `symmetric-init`: constant weights that leave interchangeable units identical for ever. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import type { Parameter } from "../graph/graph";
import type { SourceRange } from "../graph/source";
import type { ChannelSpace } from "../symmetry/symmetry";
import type { CheckedFile, CheckedModel } from "./checked";
import { linearStructure } from "./contractions";
import { codes, layerName, placeKey, placeOf } from "./layers";
import type { Detection, Rule } from "./rule";
import { hasSpace, setsVectors, startingConstant, trainingAnalysis } from "./starts";
import { stuckAtZero } from "./stuck";
import { code, few, number } from "./words";

/** Channel spaces all of whose parameters start constant along the space. */
export const symmetricInit: Rule = {
  id: "symmetric-init",
  title: "Units that start identical",
  severity: "error",
  category: "initialisation",
  since: "0.1.0",
  documentation: {
    what: "All parameters of a layer's interchangeable units start at the same constant, so that all units are one unit.",
    why:
      "Permuting hidden units is a symmetry, and weights that do not change under it are its fixed set: units i and j have equal " +
      "inputs, outputs and gradients, dL/dw_i = dL/dw_j, after every step of SGD, momentum or Adam. A layer of n units then has " +
      "the rank and the power of a single one. With zeros behind a ReLU the gradient is exactly zero as well.",
    whenNot:
      "A single linear layer may start at zero (its gradient is the input), and so may biases, norm shifts and gains, the last " +
      "layer of a residual branch, an output layer, and one factor of a low-rank pair: other parameters of the same units are " +
      "drawn at random and tell them apart. None of these is reported.",
    references: [
      "CS231n notes, Neural Networks 2: Pitfall: all zero initialization",
      "Ziyin 2024, Symmetry Induces Structure and Constraint of Learning, section 3 (arXiv 2309.16932)",
      "Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks",
    ],
  },
  examples: examplesFrom(
    `from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.fc2 = nn.Linear(16, 1)
        for layer in (self.fc1, self.fc2):
            nn.init.constant_(layer.weight, 0.1)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())
`,
    {
      fixed: [["nn.init.constant_(layer.weight, 0.1)", "nn.init.kaiming_uniform_(layer.weight, a=5**0.5)"]],
      good: `from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.fc2 = nn.Linear(16, 1)
        nn.init.zeros_(self.fc2.weight)
        nn.init.zeros_(self.fc2.bias)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())
`,
    },
  ),
  claims: [
    {
      kind: "equal-gradients",
      says: "Units 0 and 1 get equal gradients, at the start and after each of 3 steps.",
      at: "start",
      steps: 3,
      pairs: [
        [
          { parameter: "fc1.weight", axis: 0, index: 0 },
          { parameter: "fc1.weight", axis: 0, index: 1 },
        ],
        [
          { parameter: "fc1.bias", axis: 0, index: 0 },
          { parameter: "fc1.bias", axis: 0, index: 1 },
        ],
        [
          { parameter: "fc2.weight", axis: 1, index: 0 },
          { parameter: "fc2.weight", axis: 1, index: 1 },
        ],
      ],
    },
  ],
  check: (file) => merged(file.models.flatMap((model) => detections(file, model))),
};

/** What tells the units of a space apart at the start. */
type Breaker = "nothing" | "biases" | "dropout";

interface EqualUnits {
  readonly space: ChannelSpace;
  readonly matrices: readonly Parameter[];
  readonly breaker: Breaker;
}

/** Spaces whose weights are all constant along them. */
function equalSpaces(model: CheckedModel): EqualUnits[] {
  const { parameters } = model.graph;
  // Only constant matrices can make units equal; most models have none, and need no analysis for this.
  const constant = [...parameters.values()].filter((p) => startingConstant(p) !== undefined && wide(p));
  if (constant.length === 0) return [];
  const analysis = model.analysis();
  const linear = linearStructure(analysis.normal);
  const out: EqualUnits[] = [];
  for (const space of analysis.spaces) {
    if (!space.permutable || space.size < 2) continue;
    const acting = [...new Set(space.acts.map((a) => a.parameter))].flatMap((p) => parameters.get(p) ?? []);
    const matrices = acting.filter((p) => p.trainable && wide(p));
    if (matrices.length < 2) continue;
    const drawn = acting.filter((p) => startingConstant(p) === undefined);
    if (drawn.some((p) => wide(p) || !p.trainable)) continue;
    // Two zero factors with nothing between them are the business of zero-factor-pair.
    if (matrices.every((p) => startingConstant(p) === 0) && isLinear(space, matrices, linear)) continue;
    const breaker = drawn.length > 0 ? "biases" : hasSpace(trainingAnalysis(model), space) ? "nothing" : "dropout";
    out.push({ space, matrices, breaker });
  }
  return out;
}

function wide(p: Parameter): boolean {
  return p.shape.filter((d) => d > 1).length >= 2 || p.shape.length >= 2;
}

/** Whether what writes into a space is read without a nonlinearity. */
function isLinear(space: ChannelSpace, matrices: readonly Parameter[], linear: ReturnType<typeof linearStructure>): boolean {
  const own = new Set(matrices.map((p) => p.name));
  for (const c of linear.contractions.values()) {
    if (!own.has(c.weight.name)) continue;
    const followers = linear.followers(c.node);
    if (followers?.next.every((n) => own.has(n.weight.name))) return true;
  }
  return false;
}

function detections(file: CheckedFile, model: CheckedModel): { key: string; detection: Detection; parts: string[] }[] {
  if (file.language !== "python") return [];
  const stuck = stuckAtZero(model.normal());
  return equalSpaces(model).flatMap(({ space, matrices, breaker }) => {
    const writer = matrices.find((p) => space.acts.some((a) => a.parameter === p.name && a.axis === 0)) ?? matrices[0]!;
    const value = startingConstant(writer)!;
    const set = (p: Parameter): SourceRange | undefined => p.initialisation?.origin?.range;
    const cause = set(writer);
    const place = cause?.file === file.file ? { range: cause, file: file.file } : placeOf(file, model, writer.name);
    if (!place?.range) return [];
    const calls = new Map(
      matrices.flatMap((p) => {
        const range = set(p);
        return range?.file === file.file ? [[placeKey(range), range] as const] : [];
      }),
    );
    const frozen = matrices.every((p) => stuck.has(p.name));
    const name = layerName(model, writer.name);
    const fate = {
      nothing: frozen ? say`no gradient reaches them, they never move` : say`gradient descent keeps them equal`,
      biases: say`only biases tell them apart`,
      dropout: say`only dropout tells them apart`,
    }[breaker];
    const readers = matrices.filter((p) => p !== writer).map((p) => layerName(model, p.name));
    const detection: Detection = {
      message: [
        say`all ${space.size} units of ${code(name)} start equal (weights ${number(value)}): ${fate}`,
        say`The units of ${code(name)} are interchangeable, and ${few(codes(readers))} ${readers.length === 1 ? say`reads` : say`read`} them with equal weights too: the layer has the power of one unit.`,
      ].join("\n"),
      ...(breaker === "nothing" ? {} : { severity: "warning" as const }),
      ...place,
      related: [],
      symmetry: `S(${space.size}) on ${few(space.acts.map((a) => `${a.parameter}/${a.axis}`))}`,
      remedy: { kind: "random-start", calls: [...calls.values()], vectors: setsVectors(model, [...calls.values()]) },
    };
    return [{ key: placeKey(place.range), detection, parts: [name] }];
  });
}

/** One finding for each call that sets weights: it may do so for many layers. */
function merged(all: readonly { key: string; detection: Detection; parts: string[] }[]): Detection[] {
  const byPlace = new Map<string, { detection: Detection; parts: Set<string> }>();
  for (const { key, detection, parts } of all) {
    const known = byPlace.get(key);
    if (known) for (const p of parts) known.parts.add(p);
    else byPlace.set(key, { detection, parts: new Set(parts) });
  }
  return [...byPlace.values()].map(({ detection, parts }) =>
    parts.size === 1
      ? detection
      : { ...detection, message: `${detection.message}\n${say`The same call sets ${few(codes([...parts]))}.`}` },
  );
}
