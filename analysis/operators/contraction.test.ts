import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { elementCount, type Shape, strides, type Tensor } from "../graph/tensor";
import { contractionOperators } from "./contraction";
import { parseEinsum } from "./einsum";
import { einsum } from "./kernels/einsum";
import { assertClose, type Case, entryOf, floats, nodeOf, testOperators } from "./testing/reference";

const product = (a: Shape, b: Shape): Case => ({ operator: "MatMul", inputs: [floats(a, 1), floats(b, 2)] });
const gemm = (a: Shape, b: Shape, c: Shape | undefined, attributes: Case["attributes"] = {}): Case => ({
  operator: "Gemm",
  attributes,
  inputs: [floats(a, 1), floats(b, 2), ...(c ? [floats(c, 3)] : [])],
});
const sum = (equation: string, ...shapes: Shape[]): Case => ({
  operator: "Einsum",
  attributes: { equation },
  inputs: shapes.map((s, i) => floats(s, i + 1)),
});

testOperators("contractions", contractionOperators, [
  product([3, 4], [4, 5]),
  product([4], [4, 5]),
  product([3, 4], [4]),
  product([4], [4]),
  product([2, 3, 4], [4, 5]),
  product([3, 4], [2, 4, 5]),
  product([2, 1, 3, 4], [6, 4, 2]),
  product([2, 3, 7], [2, 7, 1]),
  product([5, 2, 3, 4], [4]),
  product([4], [5, 4, 3]),
  product([1, 9], [9, 1]),
  gemm([3, 4], [4, 5], undefined),
  gemm([4, 3], [5, 4], [5], { transA: 1, transB: 1 }),
  gemm([3, 4], [5, 4], [3, 1], { transB: 1, alpha: 0.5, beta: 2 }),
  gemm([3, 4], [4, 5], [], { alpha: 2 }),
  gemm([3, 4], [4, 5], [3, 5]),
  sum("ij,jk->ik", [2, 3], [3, 4]),
  sum("bij,bjk->bik", [2, 3, 4], [2, 4, 5]),
  sum("ij,jk", [2, 3], [3, 4]),
  sum("ba,ca", [2, 3], [4, 3]),
  sum("ii->i", [3, 3]),
  sum("ii", [3, 3]),
  sum("ij->j", [2, 3]),
  sum("ij->", [2, 3]),
  sum("ij->ji", [2, 3]),
  sum("bhqd,bhkd->bhqk", [2, 2, 3, 4], [2, 2, 5, 4]),
  sum("...ij,...jk->...ik", [2, 3, 4], [2, 4, 5]),
  sum("...ij,...jk->...ik", [1, 3, 4], [2, 4, 5]),
  { ...sum("...ij,...jk->...ik", [2, 3, 4], [4, 5]), runtime: false, note: "ellipses of different ranks" },
  sum("...ij,jk", [2, 3, 4], [4, 5]),
  sum("i...,i->...", [3, 2, 4], [3]),
  sum("i,j->ij", [3], [4]),
  sum("bi,oij,bj->bo", [2, 3], [5, 3, 4], [2, 4]),
  sum("a,a,a->a", [3], [3], [3]),
  sum("bqhd, bkhd -> bhqk", [2, 3, 2, 4], [2, 5, 2, 4]),
  sum("iij,j->i", [2, 2, 3], [3]),
]);

/** The sum over all labels, cell by cell. */
function naiveEinsum(equation: string, inputs: readonly Tensor[]): number[] {
  const [left, output] = equation.split("->") as [string, string];
  const terms = left.split(",");
  const sizes = new Map<string, number>();
  terms.forEach((term, i) => [...term].forEach((letter, axis) => sizes.set(letter, inputs[i]!.shape[axis]!)));
  const letters = [...output, ...[...sizes.keys()].filter((l) => !output.includes(l))];
  const shape = letters.map((l) => sizes.get(l)!);
  const out = new Array<number>(elementCount([...output].map((l) => sizes.get(l)!))).fill(0);
  const inner = elementCount(shape.slice(output.length));
  const steps = strides(shape);
  for (let at = 0; at < elementCount(shape); at++) {
    const index = new Map(letters.map((l, k) => [l, Math.floor(at / steps[k]!) % shape[k]!]));
    let value = 1;
    terms.forEach((term, i) => {
      const own = strides(inputs[i]!.shape);
      let place = 0;
      [...term].forEach((letter, axis) => {
        place += index.get(letter)! * own[axis]!;
      });
      value *= inputs[i]!.data[place]!;
    });
    out[Math.floor(at / inner)]! += value;
  }
  return out;
}

describe("Einsum", () => {
  it("is the plain sum for random equations", () => {
    const letters = fc.constantFrom("i", "j", "k", "l");
    const term = fc.array(letters, { maxLength: 3 }).map((l) => l.join(""));
    fc.assert(
      fc.property(fc.array(term, { minLength: 1, maxLength: 3 }), fc.shuffledSubarray(["i", "j", "k", "l"]), (terms, wanted) => {
        const present = new Set(terms.join(""));
        const equation = `${terms.join(",")}->${wanted.filter((l) => present.has(l)).join("")}`;
        const sizes: Record<string, number> = { i: 2, j: 3, k: 1, l: 4 };
        const inputs = terms.map((t, i) =>
          floats(
            [...t].map((l) => sizes[l]!),
            i + 1,
          ),
        );
        assertClose(einsum(equation, inputs).data, naiveEinsum(equation, inputs), 1e-12, equation);
      }),
      { seed: 5, numRuns: 300 },
    );
  });

  it("refuses equations that do not fit", () => {
    assert.throws(() => parseEinsum("ij,jk->ik", [2]), /2 terms for 1 inputs/);
    assert.throws(() => parseEinsum("ij->i", [3]), /does not fit/);
    assert.throws(() => einsum("ij->k", [floats([2, 2])]), /k/);
    assert.throws(() => einsum("ij,jk->ik", [floats([2, 3]), floats([4, 5])]), /sizes 3 and 4 share the label j/);
    assert.throws(() => parseEinsum("ij->i->j", [2]), /equation/);
    assert.throws(() => parseEinsum("ij->ii", [2]), /twice/);
    assert.throws(() => parseEinsum("i.j->i", [2]), /dot/);
  });
});

describe("MatMul and Gemm rules", () => {
  const infer = (operator: string, shapes: readonly (number[] | undefined)[], attributes: Case["attributes"] = {}): unknown =>
    entryOf(operator).infer(nodeOf({ operator, attributes, inputs: shapes.map(() => floats([1])) }), {
      inputs: shapes.map((shape) => ({ type: "float32", shape })),
      constant: () => undefined,
      opset: 21,
    });

  it("say which sizes differ", () => {
    assert.throws(
      () =>
        infer("MatMul", [
          [2, 4],
          [5, 3],
        ]),
      /MatMul: inner sizes 4 and 5 differ/,
    );
    assert.throws(
      () =>
        infer("MatMul", [
          [2, 3, 4],
          [3, 4, 5],
        ]),
      /batch axes .*sizes 2 and 3/,
    );
    assert.throws(() => infer("MatMul", [[], [3]]), /scalar/);
    assert.throws(
      () =>
        infer(
          "Gemm",
          [
            [2, 4],
            [3, 5],
          ],
          { transB: 1 },
        ),
      /Gemm: inner sizes 4 and 5 differ/,
    );
    assert.throws(
      () =>
        infer("Gemm", [
          [2, 4, 1],
          [4, 5],
        ]),
      /not both matrices/,
    );
    assert.throws(() => infer("Gemm", [[2, 4], [4, 5], [3]]), /shapes \[3\] and \[2, 5\] cannot be broadcast/);
    assert.throws(
      () =>
        infer("Gemm", [
          [1, 4],
          [4, 5],
          [3, 5],
        ]),
      /bias of shape \[3, 5\] does not broadcast to \[1, 5\]/,
    );
  });

  it("leave shapes open behind unknown ones", () => {
    assert.deepEqual(infer("MatMul", [undefined, [3, 4]]), [{ type: "float32", shape: undefined }]);
    assert.deepEqual(infer("Gemm", [[3, 4], undefined]), [{ type: "float32", shape: undefined }]);
    assert.deepEqual(infer("Einsum", [undefined, [3]], { equation: "ij,j->i" }), [{ type: "float32", shape: undefined }]);
  });
});
