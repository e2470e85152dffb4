/**
 * The equivariance column of the operator table, entry by entry, against what each operator numerically commutes with at
 * small sizes. A rule may claim no more than is there; where it claims less, UNCLAIMED says why.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AxisLayout } from "../graph/axes";
import type { Attribute, Graph, Parameter } from "../graph/graph";
import { elementCount, int64Vector, isFloating, scalar, type Tensor, tensor } from "../graph/tensor";
import { Matrix } from "../numerics/matrix";
import { Random } from "../numerics/random";
import { rank } from "../numerics/rank";
import { equivariances } from "../operators/equivariances";
import { inferShapes } from "../operators/inference";
import { inferAxes } from "../symmetry/spaces/infer";
import { commutant, drawInputs, isFree, type OperatorCase, type OperatorInput, valueAt } from "../symmetry/testing/commutant";
import { findScalings, scalingVectors } from "../symmetry/units/scalings";

const normal = (r: Random): number => r.normal();
const positive = (r: Random): number => r.uniform() + 0.3;
const bounded = (r: Random): number => 1.8 * r.uniform() - 0.9;
const wide = (r: Random): number => 4 * r.normal();
const above = (r: Random): number => r.uniform() + 1.2;

interface Line {
  readonly operator: string;
  readonly inputs: readonly (OperatorInput | undefined)[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly draw?: (r: Random) => number;
}

const v = int64Vector;
const X = [2, 3] as const;
const IMAGE = [1, 2, 3, 3] as const;

function lines(operators: string, inputs: readonly OperatorInput[], more: Omit<Line, "operator" | "inputs"> = {}): Line[] {
  return operators.split(" ").map((operator) => ({ operator, inputs, ...more }));
}

const LINES: readonly Line[] = [
  ...lines("Identity Dropout Neg Abs Relu LeakyRelu Sign Tanh Erf Sin Tan Atan Sinh Asinh Softsign Cos Cosh Sigmoid", [X]),
  ...lines("HardSigmoid HardSwish Mish Elu Selu Celu Softplus Exp Shrink ThresholdedRelu", [X], { draw: wide }),
  ...lines("Gelu Swish Floor Ceil Round IsNaN IsInf Not CastLike", [X]),
  ...lines("Asin Acos Atanh", [X], { draw: bounded }),
  ...lines("Acosh", [X], { draw: above }),
  ...lines("Sqrt Reciprocal Log", [X], { draw: positive }),
  { operator: "Cast", inputs: [X], attributes: { to: 1 } },
  { operator: "Cast", inputs: [X], attributes: { to: 7 } },
  { operator: "Clip", inputs: [X, scalar(-0.5), scalar(0.5)] },
  { operator: "Clip", inputs: [X, scalar(-0.5), scalar(0.8)] },
  { operator: "Pow", inputs: [X, scalar(2)], draw: positive },
  { operator: "Pow", inputs: [X, scalar(0.5)], draw: positive },
  { operator: "PRelu", inputs: [X, [3]] },
  ...lines("Add Sub Mul Max Min Sum Mean", [X, [3]]),
  ...lines("Add Mul", [X, X]),
  { operator: "Div", inputs: [X, [3]], draw: positive },
  { operator: "Where", inputs: [tensor([3], [1, 0, 1], "bool"), X, X] },
  ...lines("Equal Greater GreaterOrEqual Less LessOrEqual Mod And Or Xor", [X, X], { draw: positive }),
  { operator: "Reshape", inputs: [[2, 3], v([3, 2])] },
  { operator: "Reshape", inputs: [[4], v([2, 2])] },
  { operator: "Transpose", inputs: [X], attributes: { perm: [1, 0] } },
  { operator: "Slice", inputs: [[2, 4], v([1]), v([3]), v([1])] },
  { operator: "Concat", inputs: [X, [2, 2]], attributes: { axis: 1 } },
  { operator: "Gather", inputs: [[3, 2], tensor([2], [2, 0], "int64")] },
  { operator: "GatherElements", inputs: [[3, 2], tensor([2, 2], [2, 0, 1, 1], "int64")] },
  { operator: "ScatterElements", inputs: [[3, 2], tensor([2, 2], [2, 0, 1, 1], "int64"), [2, 2]] },
  { operator: "OneHot", inputs: [tensor([2], [2, 0], "int64"), scalar(3, "int64"), [2]] },
  { operator: "Expand", inputs: [[1, 3], v([2, 3])] },
  { operator: "Tile", inputs: [[2], v([2])] },
  { operator: "Pad", inputs: [X, v([0, 1, 0, 1])] },
  { operator: "Pad", inputs: [X, v([0, 1, 0, 1]), scalar(1)] },
  { operator: "DepthToSpace", inputs: [[1, 8, 1, 1]], attributes: { blocksize: 2 } },
  { operator: "SpaceToDepth", inputs: [[1, 2, 2, 2]], attributes: { blocksize: 2 } },
  { operator: "CumSum", inputs: [X, scalar(1, "int64")] },
  { operator: "Trilu", inputs: [[3, 3]], attributes: { upper: 0 } },
  {
    operator: "Resize",
    inputs: [[1, 2, 2, 2], undefined, tensor([4], [1, 1, 2, 2], "float32")],
    attributes: { mode: "nearest" },
  },
  { operator: "Upsample", inputs: [[1, 2, 2, 2], tensor([4], [1, 1, 2, 2])], attributes: { mode: "nearest" } },
  ...lines("Softmax LogSoftmax", [X], { attributes: { axis: -1 } }),
  ...lines("ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp ReduceProd", [X], {
    attributes: { axes: [1], keepdims: 0 },
  }),
  { operator: "ReduceSum", inputs: [X, v([1])], attributes: { keepdims: 1 } },
  ...lines("ArgMax ArgMin", [X], { attributes: { axis: 1 } }),
  { operator: "TopK", inputs: [[2, 4], v([2])], attributes: { axis: 1 } },
  ...lines("MaxPool AveragePool", [IMAGE], { attributes: { kernel_shape: [2, 2] } }),
  { operator: "LpPool", inputs: [IMAGE], attributes: { kernel_shape: [2, 2], p: 2 } },
  ...lines("GlobalMaxPool GlobalAveragePool", [[2, 2, 1, 2]]),
  { operator: "MatMul", inputs: [X, [3, 2]] },
  {
    operator: "MatMul",
    inputs: [
      [2, 2, 2],
      [2, 2],
    ],
  },
  { operator: "Einsum", inputs: [X, [3, 2]], attributes: { equation: "ij,jk->ik" } },
  { operator: "Einsum", inputs: [X, X], attributes: { equation: "ij,ij->i" } },
  {
    operator: "Conv",
    inputs: [
      [1, 2, 2, 1],
      [3, 2, 1, 1],
    ],
  },
  {
    operator: "Conv",
    inputs: [
      [1, 4, 1, 1],
      [4, 2, 1, 1],
    ],
    attributes: { group: 2 },
  },
  {
    operator: "ConvTranspose",
    inputs: [
      [1, 2, 2, 1],
      [2, 3, 1, 1],
    ],
  },
];

/** What there is besides what a rule claims, and why the rule leaves it: `kinds: reason`. */
const UNCLAIMED: Readonly<Record<string, string>> = {
  ...excused("Sign Floor Ceil Round Not", "scalings, linear, matrices: constant between jumps, which derivatives do not see"),
  ...excused("Shrink ThresholdedRelu Mod", "scalings: linear between jumps, which derivatives do not see"),
  ...excused(
    "MatMul Einsum Conv ConvTranspose",
    "scalings, permutations, matrices: places in space are pinned; engine C solves for matrices",
  ),
  ...excused("Mul Div", "matrices: diag(gain) as a change of frame; engine C solves for it"),
  ...excused("ReduceL2 ReduceSumSquare", "matrices: rotations of what is summed; engine C solves for them"),
  ...excused("Softmax LogSoftmax", "matrices: multiples of (1, .., 1) are forgotten, which engine D finds as shifts"),
  ...excused(
    "Where",
    "scalings, linear, matrices: what a constant mask hides moves freely; engine C takes it as linear where the mask is constant",
  ),
  ...excused("Reshape", "scalings: blocks that do not divide one another are one pinned axis"),
  ...excused(
    "Tile Pad Trilu",
    "scalings: what is repeated, padded or masked along an axis is told apart by place, so that the axis is pinned",
  ),
  ...excused(
    "DepthToSpace SpaceToDepth Upsample Resize",
    "scalings, permutations: the factor of a channel axis that becomes places is pinned, as places are",
  ),
  ...excused("GlobalMaxPool GlobalAveragePool", "permutations: places are pinned, since no weight works along them"),
  ...excused("ReduceProd", "scalings: a product of as many factors as an axis has entries, which no layer computes"),
  ...excused(
    "GatherElements ScatterElements OneHot",
    "scalings, linear, matrices: what is looked up is weighed by what looked it up, which the rules leave to the numeric engines",
  ),
  ...excused("TopK", "scalings: the largest entries scale together; places in an order are pinned"),
};

function excused(operators: string, reason: string): Readonly<Record<string, string>> {
  return Object.fromEntries(operators.split(" ").map((o) => [o, reason]));
}

/** A graph of the operator alone: free inputs are parameters, nothing is said of the output. */
function graphOf(line: Line): { graph: Graph; names: readonly string[] } {
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
    outputs: ["y"],
    attributes: line.attributes ?? {},
    origin: {},
  };
  const bare: Graph = {
    name: "g",
    opset: 17,
    inputs: [],
    outputs: ["y"],
    nodes: [node],
    parameters,
    constants,
    types: new Map(),
  };
  const { graph } = inferShapes(bare);
  return { graph: { ...graph, outputs: [] }, names };
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
function examine(line: Line): string[] {
  const random = new Random(7);
  const { graph, names } = graphOf(line);
  const node = graph.nodes[0]!;
  const c: OperatorCase = { node, inputs: line.inputs, draw: line.draw ?? normal };
  const rule = equivariances[line.operator]!;
  const label = line.operator;
  const axes = inferAxes(graph, { equivariance: equivarianceOf, softPins: true });
  assert.deepEqual(axes.opaque, [], `${label} is opaque`);
  const x = drawInputs(c, random);
  const y = valueAt(c, x);
  const tensors = [
    ...names.map((name, k) => ({ data: x[k]!, shape: graph.parameters.get(name)!.shape, layout: axes.layout(name)! })),
    { data: y.data, shape: y.shape, layout: axes.layout("y")! },
  ];
  const unclaimed: string[] = [];

  // Permutations: every free atom's exchange commutes.
  const atoms = new Set<number>();
  for (const t of tensors)
    for (const l of t.layout) for (const s of l) for (const f of s) if (!f.pinned && f.size > 1) atoms.add(f.atom);
  for (const atom of atoms) {
    const [out, ...moved] = [...tensors].reverse().map((t) => exchanged(t.data, t.shape, t.layout, atom));
    const after = valueAt(c, moved.reverse()).data;
    // What counts positions along the axis is exchanged itself.
    const counted = label.startsWith("Arg") && tensors[0]!.layout[1]!.some((s) => s.some((f) => f.atom === atom));
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

  const holds = rule.holds?.(node, (i) => graph.constants.get(node.inputs[i] ?? "")) ?? true;
  if (!isFloating(y.type) && rule.units.kind !== "zero" && holds) assert.fail(`${label} has scales, but no floating output`);
  if (isFloating(y.type)) {
    const truth = commutant(c, random);
    const shapeOf = (p: string) => graph.parameters.get(p)!.shape;
    const ones = new Map(names.map((n) => [n, new Float64Array(elementCount(shapeOf(n))).fill(1)] as const));
    const hard = inferAxes(graph, { equivariance: equivarianceOf, softPins: false });
    const flat = (vector: ReadonlyMap<string, Float64Array>) =>
      Float64Array.from(names.flatMap((n) => [...(vector.get(n) ?? new Float64Array(elementCount(shapeOf(n))))]));
    const claimed = findScalings(graph, hard, "scales", equivarianceOf).flatMap((s) =>
      scalingVectors(s, shapeOf, ones).map(flat),
    );
    for (const d of claimed)
      assert.ok(truth.commutes(d), `${label}: a claimed scaling changes more than the scale of the output`);
    const dimension = claimed.length === 0 ? 0 : rank(Matrix.fromRows(claimed)).rank;
    assert.ok(dimension <= truth.diagonal);
    if (dimension < truth.diagonal) unclaimed.push("scalings");
    // Signs: flips of one claimed cell each.
    for (const s of findScalings(graph, hard, "signs", equivarianceOf)) {
      for (const exponents of scalingVectors(s, shapeOf, ones).map(flat)) {
        let at = 0;
        const flipped = x.map((values) => values.map((value) => (Math.abs(exponents[at++]!) % 2 === 1 ? -value : value)));
        const after = valueAt(c, flipped).data;
        const flips = after.every((value, i) => Math.abs(Math.abs(value) - Math.abs(y.data[i]!)) < 1e-9);
        assert.ok(flips, `${label}: a claimed sign changes more than signs`);
      }
    }
    assert.ok(!rule.glue || truth.affine, `${label} is glue but not affine`);
    if (truth.affine && !rule.glue) unclaimed.push("linear");
    if (truth.linear > truth.diagonal && !rule.glue) unclaimed.push("matrices");
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
  LINES.forEach((line) => {
    const shapes = line.inputs.map((i) => (i && isFree(i) ? `[${i.join(", ")}]` : "constant")).join(", ");
    it(`${line.operator} of ${shapes} ${JSON.stringify(line.attributes ?? {})}`, () => {
      const unclaimed = examine(line);
      const excused = (UNCLAIMED[line.operator] ?? "").split(":")[0]!.split(", ");
      assert.deepEqual(
        unclaimed.filter((u) => !excused.includes(u)),
        [],
      );
    });
  });
});
