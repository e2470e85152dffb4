/** @file `ssl-no-asymmetry`: two views of one encoder are pulled together, and nothing keeps the output from being constant. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import type { SourceRange } from "../graph/source";
import type { CheckedFile } from "./checked";
import { codeLines } from "./python-code";
import type { Detection, Rule } from "./rule";
import { code } from "./words";

/** What breaks the symmetry of the two branches, or punishes a constant output, goes by one of these names in code. */
const ASYMMETRIC =
  /detach|no_grad|stop_?grad|predict|momentum_(encoder|update)|\bema\b|target_(net|encoder|model)|teacher|\bvar\(|\.var\b|\bstd\(|\.std\b|\bcov\b|covariance|off_diag|sinkhorn|logsumexp|cross_entropy|CrossEntropy|temperature|\btau\b|triplet|contrastive|info_?nce|nt_?xent|negative|margin|whiten|barlow|vicreg|labels?\b|targets?\b/i;

/** Losses that are least where two outputs agree. */
const AGREEMENT =
  /\b(?:cosine_similarity|CosineSimilarity|CosineEmbeddingLoss|mse_loss|MSELoss|smooth_l1_loss|SmoothL1Loss|pairwise_distance)\b/;

/** Joint embedding of two views with weights in common and no asymmetry. */
export const sslNoAsymmetry: Rule = {
  id: "ssl-no-asymmetry",
  title: "Joint embedding that may collapse",
  severity: "warning",
  category: "collapse",
  since: "0.1.0",
  documentation: {
    what: "One encoder sees two views and the loss pulls its outputs together, with no stop-gradient, predictor or variance term.",
    why:
      "The loss depends on the outputs' agreement only, and is invariant under any rotation of both, O(d). Its least value is reached " +
      "by a constant output, which no term punishes: -cos(z1, z2) = -1 for z1 = z2 = const. A predictor with a stop-gradient, a " +
      "moving-average target, negatives, or a variance and covariance term takes that solution away.",
    whenNot:
      "Metric learning with labels, distillation and reconstruction compare with something that is given; they are not reported.",
    references: [
      "Chen and He 2020, Exploring Simple Siamese Representation Learning (arXiv 2011.10566)",
      "Grill et al. 2020, Bootstrap Your Own Latent (arXiv 2006.07733)",
      "Bardes, Ponce and LeCun 2021, VICReg (arXiv 2105.04906)",
    ],
  },
  examples: examplesFrom(
    `import torch.nn.functional as F
from torch import nn


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8), nn.Tanh())

    def forward(self, x1, x2):
        z1 = self.encoder(x1)
        z2 = self.encoder(x2)
        return -F.cosine_similarity(z1, z2, dim=-1).mean()
`,
    {
      fixed: `import torch.nn.functional as F
from torch import nn


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8), nn.Tanh())
        self.predictor = nn.Linear(8, 8)

    def forward(self, x1, x2):
        z1 = self.encoder(x1)
        z2 = self.encoder(x2)
        return -F.cosine_similarity(self.predictor(z1), z2.detach(), dim=-1).mean()
`,
      good: [
        ["Siamese", "Verification"],
        ["def forward(self, x1, x2):", "def forward(self, x1, x2, label):"],
        ["-F.cosine_similarity(z1, z2, dim=-1).mean()", "F.cosine_embedding_loss(z1, z2, label)"],
      ],
    },
  ),
  claims: [
    {
      kind: "output",
      says: "A constant encoder reaches the least value that the loss can have, -1.",
      at: [{ parameter: "encoder.2.weight", to: 0 }],
      value: -1,
    },
    {
      kind: "no-gradient",
      says: "There the gradient is exactly zero.",
      at: [{ parameter: "encoder.2.weight", to: 0 }],
      slices: [{ parameter: "encoder.0.weight" }, { parameter: "encoder.2.bias" }],
    },
  ],
  check: (file) => (file.language === "python" && file.text !== undefined ? detections(file, file.text) : []),
};

/** A function of a file: its lines and where they begin. */
interface Body {
  readonly first: number;
  readonly lines: readonly string[];
}

function detections(file: CheckedFile, text: string): Detection[] {
  const lines = codeLines(text);
  const all = lines.join("\n");
  if (!AGREEMENT.test(all)) return [];
  return bodies(lines).flatMap((body): Detection[] => {
    const own = body.lines.join("\n");
    const nested = body.lines.flatMap((line) => {
      const callee = nestedTwins(line);
      return callee === undefined ? [] : [{ callee, names: [] as string[], line }];
    });
    for (const { callee, names, line: written } of [
      ...nested,
      ...twinValues(body.lines).map((t) => ({ ...t, line: undefined })),
    ]) {
      const at = body.lines.findIndex((line) => (written === undefined ? pullsTogether(line, names, all) : line === written));
      if (at < 0 || ASYMMETRIC.test(own) || (/(^|\W)self\./.test(callee) && ASYMMETRIC.test(classAround(lines, body.first))))
        continue;
      const line = text.split("\n")[body.first + at]!;
      const start = { line: body.first + at, column: line.length - line.trimStart().length };
      const range: SourceRange = { file: file.file, start, end: { line: start.line, column: line.trimEnd().length } };
      return [
        {
          message: [
            say`both views go through ${code(callee)} and are only pulled together: a constant output is optimal`,
            say`Nothing punishes collapse here: add a predictor with a stop-gradient, a slow target, negatives, or a variance term.`,
          ].join("\n"),
          range,
          file: file.file,
          related: [],
          symmetry: names.length > 0 ? `O(d) on the embeddings ${names.join(", ")}` : "O(d) on both embeddings",
        },
      ];
    }
    return [];
  });
}

/** The functions of a file; what stands outside of functions is one more. */
function bodies(lines: readonly string[]): Body[] {
  const out: Body[] = [];
  let outside: string[] = lines.map(() => "");
  const width = (s: string): number => s.length - s.trimStart().length;
  for (let i = 0; i < lines.length; i++) {
    if (!/^\s*(async\s+)?def\s/.test(lines[i]!)) {
      outside[i] = lines[i]!;
      continue;
    }
    let end = i + 1;
    while (
      end < lines.length &&
      (lines[end]!.trim() === "" || width(lines[end]!) > width(lines[i]!) || /^\s*\)/.test(lines[end]!))
    )
      end++;
    out.push({ first: i, lines: lines.slice(i, end) });
    i = end - 1;
  }
  outside = outside.map((l) => (/^\s*(class|@)/.test(l) ? "" : l));
  return [...out, { first: 0, lines: outside }];
}

/** Names that are results of one callee on different arguments. */
function twinValues(lines: readonly string[]): { callee: string; names: string[] }[] {
  const results = new Map<string, { name: string; argument: string }[]>();
  const note = (name: string, callee: string, argument: string): void => {
    if (/^(torch|F|nn|np|math|len|range|int|float)\b/.test(callee)) return;
    const list = results.get(callee) ?? [];
    if (!list.some((r) => r.name === name)) list.push({ name, argument });
    results.set(callee, list);
  };
  for (const line of lines) {
    const one = /^\s*(\w+)\s*=\s*([A-Za-z_][\w.]*)\((.*)\)\s*$/.exec(line);
    if (one) note(one[1]!, one[2]!, one[3]!);
    const two = /^\s*(\w+)\s*,\s*(\w+)\s*=\s*([A-Za-z_][\w.]*)\(([^()]*)\)\s*,\s*([A-Za-z_][\w.]*)\(([^()]*)\)\s*$/.exec(line);
    if (two && two[3] === two[5]) {
      note(two[1]!, two[3]!, two[4]!);
      note(two[2]!, two[5]!, two[6]!);
    }
  }
  return [...results].flatMap(([callee, list]) => {
    const different = new Set(list.map((r) => r.argument)).size > 1;
    return list.length >= 2 && different ? [{ callee, names: list.map((r) => r.name) }] : [];
  });
}

/** A loss of agreement between two results of one callee, written as one expression. */
function nestedTwins(line: string): string | undefined {
  const match =
    /(?:-|1(?:\.0)?\s*-|2(?:\.0)?\s*-)\s*[\w.]*cosine_similarity\(\s*([A-Za-z_][\w.]*)\((\w+)\)\s*,\s*([A-Za-z_][\w.]*)\((\w+)\)|\b(?:mse_loss|smooth_l1_loss)\(\s*([A-Za-z_][\w.]*)\((\w+)\)\s*,\s*([A-Za-z_][\w.]*)\((\w+)\)/.exec(
      line,
    );
  if (!match) return undefined;
  const [, a, x, b, y, c, u, d, v] = match;
  const [first, second, p, q] = a === undefined ? [c, d, u, v] : [a, b, x, y];
  return first === second && p !== q ? first : undefined;
}

/** Whether a line compares two of the names by a loss of agreement. */
function pullsTogether(line: string, names: readonly string[], all: string): boolean {
  const call = /([A-Za-z_][\w.]*)\(\s*(\w+)\s*,\s*(\w+)\s*[,)]/g;
  for (const [, callee, a, b] of line.matchAll(call)) {
    if (a === b || !names.includes(a!) || !names.includes(b!)) continue;
    if (AGREEMENT.test(callee!)) {
      // A similarity is a loss with its sign changed, or taken from one.
      return !/cosine_similarity/i.test(callee!) || /(-|1(\.0)?\s*-|2(\.0)?\s*-)\s*[^,]*cosine_similarity/i.test(line);
    }
    const made = new RegExp(`\\b${callee!.split(".").at(-1)!}\\s*=\\s*[\\w.]*(CosineSimilarity|MSELoss|SmoothL1Loss)\\b`).exec(
      all,
    );
    if (made) return made[1] !== "CosineSimilarity" || /-\s*[\w.]*\(/.test(line) || /-\s*\(/.test(line);
  }
  return false;
}

/** The class statement around a line, with its body. */
function classAround(lines: readonly string[], at: number): string {
  let first = at;
  while (first >= 0 && !/^class\s/.test(lines[first]!)) first--;
  let end = Math.max(first, 0) + 1;
  while (end < lines.length && !/^\S/.test(lines[end]!)) end++;
  return lines.slice(Math.max(first, 0), end).join("\n");
}
