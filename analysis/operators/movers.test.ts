import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Node } from "../graph/graph";
import { elementCount, int64Vector, type Tensor } from "../graph/tensor";
import { operatorsThat } from "./movers";
import type { Movement } from "./operator";
import { operatorTable } from "./table";

const WAYS: readonly Movement[] = ["reshapes", "transposes", "regroups", "picks", "splits", "repeats", "joins"];

/** A tensor of this shape whose entries count on from `first`, so that each shows where it went. */
function counting(shape: readonly number[], first = 0): Tensor {
  return { type: "float32", shape, data: Float64Array.from({ length: elementCount(shape) }, (_, i) => first + i) };
}

const indices = (...data: number[]): Tensor => int64Vector(data);

/** An application of each of them: its inputs and attributes. */
const APPLIED: Readonly<Record<string, readonly [inputs: readonly Tensor[], attributes?: Node["attributes"], outputs?: number]>> =
  {
    Identity: [[counting([2, 3])]],
    Reshape: [[counting([2, 6]), indices(3, 4)]],
    Flatten: [[counting([2, 3, 2])], { axis: 2 }],
    Squeeze: [[counting([2, 1, 3]), indices(1)]],
    Unsqueeze: [[counting([2, 3]), indices(0)]],
    Transpose: [[counting([2, 3, 4])], { perm: [2, 0, 1] }],
    DepthToSpace: [[counting([1, 8, 2, 3])], { blocksize: 2 }],
    SpaceToDepth: [[counting([1, 2, 4, 6])], { blocksize: 2 }],
    Slice: [[counting([4, 5]), indices(1, 0), indices(4, 5), indices(0, 1), indices(2, 1)]],
    Gather: [[counting([3, 4]), indices(2, 0, 2)], { axis: 1 }],
    Split: [[counting([3, 5]), indices(2, 3)], { axis: 1 }, 2],
    Expand: [[counting([3, 1]), indices(2, 3, 4)]],
    Tile: [[counting([2, 3]), indices(2, 2)]],
    Concat: [[counting([2, 3]), counting([2, 1], 6)], { axis: 1 }],
  };

/** What is checked of the entries before and after, in the order in which they lie. */
const HOLDS: Readonly<Record<Movement, (before: readonly number[], after: readonly number[]) => boolean>> = {
  reshapes: (before, after) => String(before) === String(after),
  transposes: isRearranged,
  regroups: isRearranged,
  picks: (before, after) => after.every((x) => before.includes(x)) && before.some((x) => !after.includes(x)),
  splits: (before, after) => String(before) === String(sorted(after)),
  repeats(before, after) {
    const times = after.length / before.length;
    return times > 1 && before.every((x) => after.filter((y) => y === x).length === times);
  },
  joins: (before, after) => String(sorted(before)) === String(sorted(after)),
};

function sorted(list: readonly number[]): number[] {
  return [...list].sort((a, b) => a - b);
}

function isRearranged(before: readonly number[], after: readonly number[]): boolean {
  return String(before) !== String(after) && String(before) === String(sorted(after));
}

describe("operatorsThat", () => {
  for (const way of WAYS) {
    for (const operator of operatorsThat(way)) {
      it(`${operator} ${way} entries`, () => {
        const applied = APPLIED[operator];
        assert.ok(applied, "an operator that moves entries needs an application here");
        const [inputs, attributes = {}, outputs = 1] = applied;
        const node: Node = {
          name: "node",
          operator,
          domain: "",
          inputs: inputs.map((_, i) => `x${i}`),
          outputs: Array.from({ length: outputs }, (_, i) => `y${i}`),
          attributes,
          origin: {},
        };
        const values = operatorTable(operator, "")!.evaluate!(node, inputs, 18);
        assert.equal(values.length, outputs);
        const data = way === "joins" ? inputs : inputs.slice(0, 1);
        const [before, after] = [data, values].map((list) => list.flatMap((t) => [...t.data]));
        assert.ok(HOLDS[way](before!, after!), `${String(before)} became ${String(after)}`);
      });
    }
  }

  it("knows each of them once", () => {
    assert.deepEqual([...operatorsThat(...WAYS)].sort(), Object.keys(APPLIED).sort());
    assert.deepEqual([...operatorsThat("reshapes")].sort(), ["Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"]);
  });
});
