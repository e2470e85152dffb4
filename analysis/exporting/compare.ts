/**
 * @file Compares a model as it was read from source with the same model as PyTorch exported it: parameters, symmetries and
 * outputs. Whatever differs is a mistake of one of the two readings, or a choice of the exporter; it is told, not explained away.
 */
import { writeOnnx } from "../frontends/onnx/write";
import type { Graph, Node } from "../graph/graph";
import { elementCount, isFloating, type Tensor } from "../graph/tensor";
import { randomInputs } from "../runtime/random-inputs";
import type { Runner } from "../runtime/runner";
import type { ModelAnalysis } from "../symmetry/analysis";
import { type ContinuousCounts, FAMILIES, formatAddress } from "../symmetry/symmetry";

/** What agrees and what does not. Names are those of parameters; spaces are written by where they act. */
export interface Comparison {
  readonly parameters: {
    /** In both with the same shape. */
    readonly same: number;
    readonly onlySource: readonly string[];
    readonly onlyExport: readonly string[];
    /** `name: [3, 4] in the source, [4, 3] in the export`. */
    readonly shapes: readonly string[];
  };
  readonly symmetries: {
    readonly same: number;
    readonly onlySource: readonly string[];
    readonly onlyExport: readonly string[];
    readonly continuous: { readonly source: ContinuousCounts; readonly export: ContinuousCounts; readonly equal: boolean };
  };
  readonly outputs:
    | { readonly compared: true; readonly equal: boolean; readonly maxRelativeDeviation: number }
    | { readonly compared: false; readonly reason: string };
}

/** Relative deviation of outputs up to which two graphs compute the same in float32. */
const ROUNDING = 1e-3;

/** Compares two readings of a model; outputs at the exported weights, which it reads from the file. */
export async function compareReadings(
  source: ModelAnalysis,
  exported: ModelAnalysis,
  runner: Runner,
  signal?: AbortSignal,
): Promise<Comparison> {
  const parameters = compareParameters(source.graph, exported.graph);
  return {
    parameters,
    symmetries: compareSymmetries(source, exported),
    outputs: await compareOutputs(source.graph, exported.graph, runner, signal).catch((error: unknown) => {
      signal?.throwIfAborted();
      return { compared: false as const, reason: error instanceof Error ? error.message : String(error) };
    }),
  };
}

function compareParameters(source: Graph, exported: Graph): Comparison["parameters"] {
  const trained = (g: Graph) => new Map([...g.parameters].filter(([, p]) => p.trainable));
  const [a, b] = [trained(source), trained(exported)];
  const shapes: string[] = [];
  let same = 0;
  for (const [name, p] of a) {
    const other = b.get(name);
    if (!other) continue;
    if (p.shape.join() === other.shape.join()) same++;
    else shapes.push(`${name}: [${p.shape.join(", ")}] in the source, [${other.shape.join(", ")}] in the export`);
  }
  return {
    same,
    onlySource: [...a.keys()].filter((n) => !b.has(n)),
    onlyExport: [...b.keys()].filter((n) => !a.has(n)),
    shapes,
  };
}

function compareSymmetries(source: ModelAnalysis, exported: ModelAnalysis): Comparison["symmetries"] {
  const common = (name: string) => {
    const [a, b] = [source.graph.parameters.get(name), exported.graph.parameters.get(name)];
    return a !== undefined && b !== undefined && a.trainable && b.trainable;
  };
  // Statistics that only one of the readings keeps are no difference in what trains.
  const keys = (m: ModelAnalysis) =>
    new Set(
      m.spaces.flatMap((s) => {
        const acts = s.acts.filter((a) => common(a.parameter)).map(formatAddress);
        return acts.length > 0 ? [`${s.size}: ${s.group} on ${acts.sort().join(", ")}`] : [];
      }),
    );
  const [a, b] = [keys(source), keys(exported)];
  const [c, d] = [source.continuous, exported.continuous];
  return {
    same: [...a].filter((k) => b.has(k)).length,
    onlySource: [...a].filter((k) => !b.has(k)),
    onlyExport: [...b].filter((k) => !a.has(k)),
    continuous: {
      source: c,
      export: d,
      equal: c.total === d.total && FAMILIES.every((f) => c[f] === d[f]),
    },
  };
}

/** Runs both graphs with the exported weights on the same inputs. @throws Error saying why they cannot be compared */
async function compareOutputs(
  source: Graph,
  exported: Graph,
  runner: Runner,
  signal?: AbortSignal,
): Promise<Comparison["outputs"]> {
  const weights = new Map<string, Float64Array>();
  for (const p of source.parameters.values()) {
    const value = exported.parameters.get(p.name)?.read?.() ?? exported.constants.get(p.name);
    if (value && value.data.length === elementCount(p.shape)) weights.set(p.name, value.data);
    else if (p.type === "string") continue;
    else if (p.buffer === true) weights.set(p.name, defaultBuffer(p.name, elementCount(p.shape)));
    else throw new Error(`the export has no value for ${p.name}`);
  }
  if (source.inputs.length !== exported.inputs.length) {
    throw new Error(`the source has ${source.inputs.length} inputs, the export ${exported.inputs.length}`);
  }
  const opaque = source.nodes.find((n) => n.domain === "python");
  if (opaque) throw new Error(`${opaque.operator} is not understood, so that the source cannot be run here`);
  const own = randomInputs(exported, 1);
  const values = exported.inputs.map((i) => own.get(i.name)!);
  const feeds = (g: Graph) => new Map(g.inputs.map((i, k): [string, Tensor] => [i.name, { ...values[k]!, type: i.type }]));
  const run = signal ? { signal } : {};
  const runnable = (g: Graph): Graph => ({ ...g, nodes: g.nodes.map(withoutDropout) });
  const ours = await runner.run(writeOnnx(runnable(source), weights), feeds(source), run);
  const theirs = await runner.run(writeOnnx(runnable(exported)), feeds(exported), run);
  let worst = 0;
  for (const [k, name] of exported.outputs.entries()) {
    const [y, z] = [theirs.get(name), ours.get(source.outputs[k] ?? "")];
    if (!y || !z || !isFloating(y.type)) continue;
    if (y.data.length !== z.data.length) {
      throw new Error(
        `output ${k + 1} has the shape [${z.shape.join(", ")}] in the source, [${y.shape.join(", ")}] in the export`,
      );
    }
    let size = 0;
    let difference = 0;
    y.data.forEach((v, i) => {
      size = Math.max(size, Math.abs(v));
      difference = Math.max(difference, Math.abs(v - z.data[i]!));
    });
    if (difference > 0) worst = Math.max(worst, size === 0 ? Number.POSITIVE_INFINITY : difference / size);
  }
  return { compared: true, equal: worst <= ROUNDING, maxRelativeDeviation: worst };
}

/** Statistics that nothing reads in training: what they start with. */
function defaultBuffer(name: string, size: number): Float64Array {
  return new Float64Array(size).fill(name.endsWith("var") ? 1 : 0);
}

/** Dropout as it is outside of training: what it draws is no difference. */
function withoutDropout(node: Node): Node {
  return node.operator === "Dropout" && node.domain === "" && node.inputs.length > 2
    ? { ...node, inputs: node.inputs.slice(0, 2) }
    : node;
}
