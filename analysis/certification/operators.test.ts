/**
 * The equivariance column of the operator table, entry by entry, against what each operator numerically commutes with at
 * small sizes. A rule may claim no more than is there; where it claims less, UNCLAIMED says why.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AxisLayout } from "../graph/axes";
import type { Graph, Parameter } from "../graph/graph";
import { elementCount, isFloating, type Tensor } from "../graph/tensor";
import { normalForm } from "../lowering/normal-form";
import { Matrix } from "../numerics/matrix";
import { Random } from "../numerics/random";
import { rank } from "../numerics/rank";
import { equivariances } from "../operators/equivariances";
import { evaluateGraph } from "../operators/evaluate";
import { inferShapes } from "../operators/inference";
import { operatorTable } from "../operators/table";
import { inferAxes } from "../symmetry/spaces/infer";
import { commutant, drawInputs, isFree, type OperatorCase, valueAt } from "../symmetry/testing/commutant";
import { LOWERED } from "../symmetry/testing/lowered-lines";
import { LINES, type Line, normal, VARIANTS } from "../symmetry/testing/operator-lines";
import { findScalings, scalingVectors } from "../symmetry/units/scalings";

/** What there is besides what a rule claims, and why the rule leaves it: `kinds: reason`. */
const UNCLAIMED: Readonly<Record<string, string>> = {
  ...excused(
    "Sign Floor Ceil Round Not Hardmax",
    "scalings, linear, matrices: constant between jumps, which derivatives do not see",
  ),
  ...excused("Shrink ThresholdedRelu HardSigmoid Mod", "scalings: linear between jumps, which derivatives do not see"),
  ...excused("ReduceLogSumExp", "scalings: of nothing, the logarithm undoes the exponential"),
  ...excused(
    "MatMul Einsum Conv ConvTranspose",
    "scalings, permutations, linear, matrices: places in space are pinned; engine C solves for matrices",
  ),
  ...excused("Mul Div", "linear, matrices: diag(gain) as a change of frame; engine C solves for it"),
  ...excused("ReduceL2 ReduceSumSquare", "matrices: rotations of what is summed; engine C solves for them"),
  ...excused("Softmax LogSoftmax", "matrices: multiples of (1, .., 1) are forgotten, which engine D finds as shifts"),
  ...excused(
    "Where",
    "scalings, linear, matrices: what a constant mask hides moves freely; engine C takes it as linear where the mask is constant",
  ),
  ...excused("Reshape", "scalings: blocks that do not divide one another are one pinned axis"),
  ...excused("Gather", "scalings: where one entry is taken, or one of them twice, the axis is pinned"),
  ...excused("CumSum", "scalings: an exclusive sum does not read the last entry, but its axis is pinned"),
  ...excused(
    "Tile Pad Trilu CenterCropPad",
    "scalings, permutations: what is repeated, padded or masked along an axis is told apart by place, so that the axis is pinned",
  ),
  ...excused(
    "DepthToSpace SpaceToDepth Upsample Resize",
    "scalings, permutations: the factor of a channel axis that becomes places is pinned, as places are",
  ),
  ...excused("GlobalMaxPool GlobalAveragePool", "permutations: places are pinned, since no weight works along them"),
  ...excused("MaxPool AveragePool LpPool", "permutations, scalings, linear, matrices: windows of one place, or of all of them"),
  ...excused("Max Min", "permutations, scalings, linear, matrices: of one tensor, or where a constant is never the larger one"),
  ...excused("Pow", "scalings, matrices: exponents that differ by channel, and constant bases"),
  ...excused("Clip", "scalings, linear, matrices: bounds are taken apart in normal form"),
  ...excused("RNN LSTM", "scalings: steps in time are places, and are pinned"),
  ...excused("ReduceProd", "scalings: a product of as many factors as an axis has entries, which no layer computes"),
  ...excused(
    "GatherElements ScatterElements Scatter OneHot",
    "permutations, scalings, linear, matrices: what is looked up is weighed by what looked it up, which the rules leave to the numeric engines",
  ),
  ...excused("TopK", "scalings, matrices: the largest entries scale together; places in an order are pinned"),
};

function excused(operators: string, reason: string): Readonly<Record<string, string>> {
  return Object.fromEntries(operators.split(" ").map((o) => [o, reason]));
}

/** A graph, of which nothing is said of the output, with its function. */
interface Alone {
  readonly graph: Graph;
  /** The free inputs. */
  readonly names: readonly string[];
  readonly output: string;
  readonly value: OperatorCase["value"];
}

/** The operator alone, as it is or in normal form: free inputs are parameters. */
function graphOf(line: Line, lower: boolean): Alone {
  const parameters = new Map<string, Parameter>();
  const constants = new Map<string, Tensor>();
  const names: string[] = [];
  const inputs = line.inputs.map((input, i) => {
    if (input === undefined) return "";
    const name = `x${i}`;
    if (!isFree(input)) constants.set(name, input);
    else {
      parameters.set(name, { name, type: "float64", shape: input, trainable: true, origin: {} });
      names.push(name);
    }
    return name;
  });
  const node = {
    name: "n",
    operator: line.operator,
    domain: "",
    inputs,
    outputs: ["y", "y1", "y2"].slice(0, line.outputs ?? 1),
    attributes: line.attributes ?? {},
    origin: {},
  };
  const bare: Graph = {
    name: "g",
    opset: line.opset ?? 17,
    inputs: [],
    outputs: ["y"],
    nodes: [node],
    parameters,
    constants,
    types: new Map(),
  };
  const { graph } = inferShapes(bare);
  if (!lower) {
    const evaluate = operatorTable(node.operator, "")!.evaluate!;
    const value: OperatorCase["value"] = (operands) => evaluate(node, operands, bare.opset)[0]!;
    return { graph: { ...graph, outputs: [] }, names, output: "y", value };
  }
  const normal = normalForm(graph, { maxRecurrentSteps: Infinity }).graph;
  const output = normal.outputs[0]!;
  const value: OperatorCase["value"] = (operands) => {
    const given = new Map(inputs.flatMap((name, i) => (operands[i] ? [[name, operands[i]] as const] : [])));
    return evaluateGraph(normal, given).get(output)!;
  };
  return { graph: { ...normal, outputs: [] }, names, output, value };
}

const equivarianceOf = (node: { readonly operator: string }) => equivariances[node.operator];

/** The entries of a tensor with two values of an atom exchanged; the same list where the atom does not occur. */
function exchanged(data: Float64Array, shape: readonly number[], layouts: readonly AxisLayout[], atom: number): Float64Array {
  const maps = shape.map((_, axis) => layouts[axis]!.flatMap((segment, s) => exchangedSegment(layouts[axis]!, segment, s, atom)));
  return movedAlong(data, shape, maps);
}

function exchangedSegment(layout: AxisLayout, segment: AxisLayout[number], index: number, atom: number): number[] {
  const lengths = layout.map((s) => s.reduce((n, f) => n * f.size, 1));
  const start = lengths.slice(0, index).reduce((a, b) => a + b, 0);
  return Array.from({ length: lengths[index]! }, (_, at) => {
    let [rest, weight, to] = [at, 1, 0];
    for (let k = segment.length - 1; k >= 0; k--) {
      const { size, atom: own } = segment[k]!;
      const digit = rest % size;
      rest = Math.floor(rest / size);
      to += weight * (own === atom && digit < 2 ? 1 - digit : digit);
      weight *= size;
    }
    return start + to;
  });
}

/** Entry (i, j, ..) from entry (maps[0][i], maps[1][j], ..). */
function movedAlong(data: Float64Array, shape: readonly number[], maps: readonly (readonly number[])[]): Float64Array {
  return data.map((_, flat) => {
    let [rest, from, weight] = [flat, 0, 1];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += weight * maps[axis]![rest % shape[axis]!]!;
      rest = Math.floor(rest / shape[axis]!);
      weight *= shape[axis]!;
    }
    return data[from]!;
  });
}

const same = (a: Float64Array, b: Float64Array): boolean => a.every((x, i) => Object.is(x, b[i]) || Math.abs(x - b[i]!) < 1e-9);

/** What was found to be unclaimed, besides the failures that are asserted. */
function examine(line: Line, lower: boolean): string[] {
  const random = new Random(7);
  const { graph, names, output, value } = graphOf(line, lower);
  const c: OperatorCase = { value, inputs: line.inputs, draw: line.draw ?? normal };
  const rules = graph.nodes.map((node) => ({ node, rule: equivariances[node.operator]! }));
  const label = line.operator;
  const axes = inferAxes(graph, { equivariance: equivarianceOf, softPins: true });
  assert.deepEqual(axes.opaque, [], `${label} is opaque`);
  const x = drawInputs(c, random);
  const y = valueAt(c, x);
  const tensors = [
    ...names.map((name, k) => ({ data: x[k]!, shape: graph.parameters.get(name)!.shape, layout: axes.layout(name)! })),
    { data: y.data, shape: y.shape, layout: axes.layout(output)! },
  ];
  const unclaimed: string[] = [];

  // Permutations: every free atom's exchange commutes.
  const atoms = new Set<number>();
  for (const t of tensors)
    for (const l of t.layout) for (const s of l) for (const f of s) if (!f.pinned && f.size > 1) atoms.add(f.atom);
  for (const atom of atoms) {
    const [out, ...moved] = [...tensors].reverse().map((t) => exchanged(t.data, t.shape, t.layout, atom));
    const after = valueAt(c, moved.reverse()).data;
    const given = typeof line.attributes?.["axis"] === "number" ? line.attributes["axis"] : 0;
    const countedAxis = given < 0 ? given + tensors[0]!.shape.length : given;
    // What counts positions along the axis is exchanged itself.
    const counted = label.startsWith("Arg") && tensors[0]!.layout[countedAxis]!.some((s) => s.some((f) => f.atom === atom));
    const expected = counted ? out!.map((i) => (i < 2 ? 1 - i : i)) : out!;
    assert.ok(same(after, expected), `${label}: exchanging entries of a free axis changes the output`);
  }
  // Exchanges along whole axes that commute, and that no atoms account for.
  const places = tensors.flatMap((t, k) => t.shape.flatMap((n, axis) => (n > 1 ? [{ k, axis, n }] : [])));
  const found: number[][] = [];
  for (let mask = 1; mask < 1 << places.length; mask++) {
    const chosen = places.flatMap((p, i) => ((mask >> i) & 1 ? [{ ...p, i }] : []));
    if (chosen.some((p) => p.n !== chosen[0]!.n) || found.some((f) => f.every((i) => (mask >> i) & 1))) continue;
    const moved = tensors.map((t, k) =>
      movedAlong(
        t.data,
        t.shape,
        t.shape.map((n, axis) => {
          const swaps = chosen.some((p) => p.k === k && p.axis === axis);
          return Array.from({ length: n }, (_, i) => (swaps && i < 2 ? 1 - i : i));
        }),
      ),
    );
    if (!same(valueAt(c, moved.slice(0, -1)).data, moved.at(-1)!)) continue;
    found.push(chosen.map((p) => p.i));
    const isClaimed = chosen.every(({ k, axis }) => {
      const segments = tensors[k]!.layout[axis]!;
      return segments.every((s) => s.every((f) => !f.pinned));
    });
    if (!isClaimed) unclaimed.push("permutations");
  }

  for (const { node, rule } of lower ? [] : rules) {
    const holds = rule.holds?.(node, (i) => graph.constants.get(node.inputs[i] ?? "")) ?? true;
    if (!isFloating(y.type) && rule.units.kind !== "zero" && holds) assert.fail(`${label} has scales, but no floating output`);
  }
  if (isFloating(y.type)) {
    const truth = commutant(c, random, LINES.includes(line) ? "linear" : "diagonal");
    const shapeOf = (p: string) => graph.parameters.get(p)!.shape;
    const ones = new Map(names.map((n) => [n, new Float64Array(elementCount(shapeOf(n))).fill(1)] as const));
    const hard = inferAxes(graph, { equivariance: equivarianceOf, softPins: false });
    const flat = (vector: ReadonlyMap<string, Float64Array>) =>
      Float64Array.from(names.flatMap((n) => [...(vector.get(n) ?? new Float64Array(elementCount(shapeOf(n))))]));
    const byPlace = inferAxes(graph, { equivariance: equivarianceOf, softPins: false, freePlaces: true });
    const scalingsOver = (over: typeof axes) =>
      findScalings(graph, over, "scales", equivarianceOf).flatMap((s) => scalingVectors(s, shapeOf, ones).map(flat));
    const claimed = scalingsOver(hard);
    for (const d of [...claimed, ...scalingsOver(byPlace)])
      assert.ok(truth.commutes(d), `${label}: a claimed scaling changes more than the scale of the output`);
    const dimension = claimed.length === 0 ? 0 : rank(Matrix.fromRows(claimed)).rank;
    assert.ok(dimension <= truth.diagonal);
    if (dimension < truth.diagonal) unclaimed.push("scalings");
    // Signs: flips of one claimed cell each.
    const signs = [hard, byPlace].flatMap((over) => findScalings(graph, over, "signs", equivarianceOf));
    for (const s of signs) {
      for (const exponents of scalingVectors(s, shapeOf, ones).map(flat)) {
        let at = 0;
        const flipped = x.map((values) => values.map((value) => (Math.abs(exponents[at++]!) % 2 === 1 ? -value : value)));
        const after = valueAt(c, flipped).data;
        const flips = after.every((value, i) => Math.abs(Math.abs(value) - Math.abs(y.data[i]!)) < 1e-9);
        assert.ok(flips, `${label}: a claimed sign changes more than signs`);
      }
    }
    const glue = rules.every(({ rule }) => rule.glue);
    assert.ok(!glue || truth.affine, `${label} is glue but not affine`);
    if (truth.affine && !glue && !lower) unclaimed.push("linear");
    if (truth.linear > truth.diagonal && !glue) unclaimed.push("matrices");
  }
  return [...new Set(unclaimed)];
}

describe("equivariance rules against what operators commute with", () => {
  it("every entry of the column is here", () => {
    const covered = new Set(LINES.map((l) => l.operator));
    assert.deepEqual(
      Object.keys(equivariances).filter((o) => !covered.has(o)),
      [],
    );
  });
  for (const [list, lower] of [
    [[...LINES, ...VARIANTS], false],
    [LOWERED, true],
  ] as const) {
    for (const line of list) {
      const shapes = line.inputs.map((i) => (i && isFree(i) ? `[${i.join(", ")}]` : "constant")).join(", ");
      const form = lower ? ", in normal form" : "";
      it(`${line.operator} of ${shapes} ${JSON.stringify(line.attributes ?? {})}${form}`, () => {
        const unclaimed = examine(line, lower);
        const excused = (UNCLAIMED[line.operator] ?? "").split(":")[0]!.split(", ");
        assert.deepEqual(
          unclaimed.filter((u) => !excused.includes(u)),
          [],
        );
      });
    }
  }
});
