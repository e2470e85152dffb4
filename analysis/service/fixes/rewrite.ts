/** @file Fixes of exported models: a rewrite of the graph, written to a new file, its outputs compared with the original's. */
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import type { GraphRewrite, RewriteOptions } from "../../fixes/graph/rewrite";
import { replaceFile } from "../../fixes/replace-file";
import { readOnnx, withInterfaceOf, writeOnnx } from "../../frontends/onnx/index";
import type { Graph } from "../../graph/graph";
import { isFloating, type Tensor } from "../../graph/tensor";
import { createRunner, randomInputs, type Runner } from "../../runtime/index";
import type { CheckedModel } from "../../rules/checked";

/** Relative deviation of outputs in float32 up to which they count as equal: folding a deep network rounds each weight again. */
const TOLERANCE = 1e-4;

/** What came of a rewrite. */
export interface RewriteReport {
  readonly rewrite: string;
  readonly changes: readonly string[];
  readonly output: string;
  /** Trainable entries before and after. */
  readonly parameters: readonly [before: number, after: number];
  /** Largest |difference| / largest |output|, for rewrites that keep the outputs. */
  readonly deviation?: number;
}

/** A rewrite whose outputs are not what they have to be, or a place that must not be written to. Nothing was written. */
export class RewriteError extends Error {
  override readonly name = "RewriteError";
}

/**
 * Rewrites a model and writes it to a new file.
 * @param file the original, which stays as it is
 * @throws RewriteError, WriteError, and NotEditable where there is nothing to do
 */
export async function rewriteOnnx(
  file: string,
  model: Pick<CheckedModel, "graph" | "normal">,
  rewrite: GraphRewrite,
  output: string,
  options: Omit<RewriteOptions, "fresh"> & { readonly runner?: Runner },
): Promise<RewriteReport> {
  if (isSameFile(file, output)) throw new RewriteError(`${output} is the model itself: name another file for --output`);
  const missing = [...model.graph.parameters.values()].find((p) => p.read?.() === undefined);
  if (missing) throw new RewriteError(`${file} holds no values of ${missing.name}: export the model with its weights`);
  const { graph, changes, outputs = rewrite.outputs } = rewrite.apply(model, { ...options, fresh: false });
  const bytes = withInterfaceOf(writeOnnx(graph), readFileSync(file));
  const again = readOnnx({ name: output, bytes });
  const deviation = outputs === "other" ? undefined : await compare(model.graph, again.graph, options);
  if (deviation !== undefined && !(deviation <= TOLERANCE)) {
    throw new RewriteError(
      `${rewrite.id} would change the outputs of ${file} by ${deviation.toExponential(1)} of their size; nothing was written. Please report it with the model`,
    );
  }
  replaceFile(output, bytes);
  const trainable = (g: Graph): number =>
    [...g.parameters.values()].reduce((n, p) => n + (p.trainable ? p.shape.reduce((a, b) => a * b, 1) : 0), 0);
  return {
    rewrite: rewrite.id,
    changes,
    output,
    parameters: [trainable(model.graph), trainable(again.graph)],
    ...(deviation === undefined ? {} : { deviation }),
  };
}

function isSameFile(a: string, b: string): boolean {
  if (path.resolve(a) === path.resolve(b)) return true;
  const [x, y] = [statSync(a, { throwIfNoEntry: false }), statSync(b, { throwIfNoEntry: false })];
  return x !== undefined && y !== undefined && x.ino === y.ino && x.dev === y.dev;
}

/** The largest deviation of outputs on random inputs, in ONNX Runtime, without dropout. */
async function compare(
  before: Graph,
  after: Graph,
  options: { readonly seed: number; readonly runner?: Runner },
): Promise<number> {
  const runner = options.runner ?? createRunner({ kind: "in-process" });
  try {
    let worst = 0;
    for (const seed of [options.seed, options.seed + 1]) {
      const inputs = randomInputs(before, seed);
      const [x, y] = [await run(runner, before, inputs), await run(runner, after, inputs)];
      before.outputs.forEach((name, i) => {
        const [a, b] = [x.get(name), y.get(after.outputs[i] ?? name)];
        if (!a || !b || a.data.length !== b.data.length) worst = Number.POSITIVE_INFINITY;
        else worst = Math.max(worst, difference(a, b));
      });
    }
    return worst;
  } finally {
    if (!options.runner) runner.dispose();
  }
}

function run(runner: Runner, graph: Graph, inputs: ReadonlyMap<string, Tensor>): Promise<Map<string, Tensor>> {
  const nodes = graph.nodes.map((n) =>
    n.operator === "Dropout"
      ? { ...n, operator: "Identity", inputs: n.inputs.slice(0, 1), outputs: n.outputs.slice(0, 1), attributes: {} }
      : n,
  );
  return runner.run(writeOnnx({ ...graph, nodes }), inputs);
}

function difference(a: Tensor, b: Tensor): number {
  let most = 0;
  let size = 0;
  for (let i = 0; i < a.data.length; i++) {
    size = Math.max(size, Math.abs(a.data[i]!));
    most = Math.max(most, Math.abs(a.data[i]! - b.data[i]!));
  }
  if (!isFloating(a.type)) return most === 0 ? 0 : Number.POSITIVE_INFINITY;
  return most === 0 ? 0 : most / size;
}
