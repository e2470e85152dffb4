/** @file `linear-chain`: matrices that follow each other without a nonlinearity are one matrix. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import { elementCount } from "../graph/tensor";
import type { CheckedFile, CheckedModel } from "./checked";
import { type Contraction, linearStructure } from "./contractions";
import { decayOf } from "./decay";
import { codes, layerName, layerOf, placeKey, placeOf } from "./layers";
import type { Detection, Rule } from "./rule";
import { few, number } from "./words";

/** Consecutive linear maps, on whose common space all of GL acts. */
export const linearChain: Rule = {
  id: "linear-chain",
  title: "Linear maps without a nonlinearity between",
  severity: "warning",
  category: "redundancy",
  since: "0.1.0",
  documentation: {
    what: "Two or more layers apply weights one after the other with nothing nonlinear between: together they are one linear map.",
    why:
      "W2 W1 = (W2 A^-1)(A W1) for every invertible A: the hidden space carries the whole group GL(r), r^2 directions that change " +
      "nothing. Weight decay lambda on both factors equals lambda times the nuclear norm of the product: singular directions of " +
      "the gradient below lambda vanish (sigma -> max(sigma - lambda, 0) in the whitened quadratic case), so the product becomes " +
      "low-rank. Without decay the pair computes what one matrix computes, with more parameters and time.",
    whenNot:
      "A bottleneck that is narrower than both its ends is a deliberate low-rank map (LoRA, factorised embeddings, linear " +
      "autoencoders) and is only mentioned where decay acts on it. Depthwise followed by pointwise convolution, kernels along " +
      "different axes, and attention's own products are not chains of this kind.",
    references: [
      "Saxe, McClelland and Ganguli 2013, Exact solutions to the nonlinear dynamics of learning in deep linear networks",
      "Ziyin 2024, Symmetry Induces Structure and Constraint of Learning, section 4 (arXiv 2309.16932)",
    ],
  },
  examples: examplesFrom(
    `from torch import nn


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.fc2 = nn.Linear(16, 4)

    def forward(self, x):
        return self.fc2(self.fc1(x))
`,
    {
      fixed: [["return self.fc2(self.fc1(x))", "return self.fc2(self.fc1(x).relu())"]],
      good: `from torch import nn


class LowRank(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Linear(64, 4, bias=False)
        self.up = nn.Linear(4, 64, bias=False)

    def forward(self, x):
        return x + self.up(self.down(x))
`,
    },
  ),
  claims: [
    {
      kind: "flat",
      says: "Of 212 entries 176 directions do not move the function: it has the 36 of one linear map. With a ReLU 16 are left.",
      parameters: ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"],
      bad: 176,
      fixed: 16,
    },
  ],
  check: (file) => file.models.flatMap((model) => detections(file, model)),
};

interface Link {
  readonly from: Contraction;
  readonly to: Contraction;
  readonly rank: number;
  readonly isBottleneck: boolean;
}

function links(model: CheckedModel): Link[] {
  const normal = model.normal();
  const linear = linearStructure(normal);
  const out: Link[] = [];
  for (const from of linear.contractions.values()) {
    const followers = linear.followers(from.node);
    if (!followers || followers.next.some((n) => n.weight === from.weight)) continue;
    const rank = normal.types.get(from.node.outputs[0]!)?.shape;
    const [to] = followers.next;
    if (!rank || !to || separable(from, to)) continue;
    const r = channels(from, rank);
    // A tensor that is reshaped between has other channels on the other side.
    if (followers.next.some((n) => !reads(n, r))) continue;
    // Channels, whatever the kernel: 3 -> 16 -> 32 is no bottleneck, 64 -> 16 -> 64 is one.
    const into = partners(from, r);
    const outOf = followers.next.reduce((n, c) => n + partners(c, r), 0);
    out.push({ from, to, rank: r, isBottleneck: r < into && r < outOf });
  }
  return out;
}

/** Channels on the other side of a weight. */
function partners({ weight: { shape } }: Contraction, channels: number): number {
  return elementCount(shape.slice(0, 2)) / channels;
}

function channels(c: Contraction, shape: readonly number[]): number {
  return c.node.operator === "MatMul" ? shape.at(-1)! : shape[1]!;
}

/** Whether a contraction sums over an axis of the given size. */
function reads(c: Contraction, size: number): boolean {
  const { shape } = c.weight;
  return c.node.operator === "MatMul" ? shape.includes(size) : shape[c.node.operator === "Conv" ? 1 : 0] === size;
}

/** Kernels along different axes, one after the other: a large kernel on purpose. */
function separable(a: Contraction, b: Contraction): boolean {
  const [p, q] = [a.weight.shape.slice(2), b.weight.shape.slice(2)];
  return (
    p.length > 0 &&
    p.length === q.length &&
    p.every((d, i) => d === 1 || q[i] === 1) &&
    p.some((d) => d > 1) &&
    q.some((d) => d > 1)
  );
}

function detections(file: CheckedFile, model: CheckedModel): Detection[] {
  const all = links(model);
  const begins = all.filter((l) => !all.some((m) => m.to.node === l.from.node));
  const seen = new Set<string>();
  return begins.flatMap((link): Detection[] => {
    const chain = [link];
    for (let next = all.find((l) => l.from.node === link.to.node); next; next = all.find((l) => l.from.node === next!.to.node)) {
      chain.push(next);
      if (chain.length > 50) break;
    }
    const narrow = chain.every((l) => l.isBottleneck);
    const weights = [link.from.weight.name, ...chain.map((l) => l.to.weight.name)];
    const decay = decayOf(file, model, weights);
    if (narrow && !(decay !== undefined && decay.value > 0)) return [];
    const place = placeOf(file, model, weights[0]!);
    if (!place) return [];
    const key = place.range ? placeKey(place.range) : weights[0]!;
    if (seen.has(key)) return [];
    seen.add(key);
    const names = weights.map((w) => layerName(model, w));
    const rank = Math.min(...chain.map((l) => l.rank));
    const lines = narrow
      ? [
          say`weight decay ${number(decay!.value)} makes the product of ${few(codes(names))} low-rank: no nonlinearity between them`,
          say`Of its ${rank} singular directions those whose gradient stays below ${number(decay!.value)} shrink to zero. Decay one factor only, or none.`,
        ]
      : [
          say`${few(codes(names))} make one linear map: there is no nonlinearity between them`,
          say`GL(${rank}) acts on the ${rank} channels between: ${number(rank * rank)} directions change nothing. Put an activation between, or use one layer.`,
          ...(decay && decay.value > 0
            ? [
                say`Weight decay ${number(decay.value)} makes their product low-rank: directions whose gradient stays below it vanish.`,
              ]
            : []),
        ];
    const last = layerOf(model, weights.at(-1)!);
    return [
      {
        message: lines.join("\n"),
        ...(narrow ? { severity: "info" as const } : {}),
        ...place,
        related:
          last && last.constructor !== place.range ? [{ label: say`${names.at(-1)!} follows`, range: last.constructor }] : [],
        symmetry: `GL(${rank}) on ${weights.slice(0, 2).join(", ")}`,
        subject: { model, parameters: weights, ...(decay ? { optimiser: decay.optimiser } : {}) },
      },
    ];
  });
}
