/** @file Rotary positions as slices, products with tables of cosines and sines, and a concatenation. */
import { numberAttribute } from "../../graph/graph";
import { tensor } from "../../graph/tensor";
import type { Lowering } from "../operator";
import { joinHeads, splitHeads } from "./attention";
import { concat, input, range, reshape, shapeOf, slice } from "./build";

/**
 * Rotary positions on [B, heads, L, size]: pairs (x1, x2) of the first entries turn by an angle that cos and sin, shaped
 * [.., L, pairs], give for each position; the entries behind them stay. Undefined where the shapes do not fit.
 */
export function rotate(l: Lowering, x: string, cos: string, sin: string, interleaved: boolean): string | undefined {
  const shape = shapeOf(l, x);
  const pairs = shapeOf(l, cos)?.slice(-1)[0];
  if (shape?.length !== 4 || pairs === undefined || 2 * pairs > shape[3]!) return undefined;
  const size = shape[3]!;
  const before = shape.slice(0, 3);
  const turning = 2 * pairs === size ? x : slice(l, x, 3, 0, 2 * pairs);
  const apart = interleaved ? reshape(l, turning, [...before, pairs, 2]) : turning;
  const half = (index: number): string =>
    interleaved
      ? reshape(l, slice(l, apart, 4, index, index + 1), [...before, pairs])
      : slice(l, turning, 3, index * pairs, (index + 1) * pairs);
  const [x1, x2] = [half(0), half(1)];
  const real = l.add("Sub", [l.add("Mul", [x1, cos]), l.add("Mul", [x2, sin])]);
  const imaginary = l.add("Add", [l.add("Mul", [x1, sin]), l.add("Mul", [x2, cos])]);
  const wide = (y: string) => reshape(l, y, [...before, pairs, 1]);
  const turned = interleaved
    ? reshape(l, concat(l, [wide(real), wide(imaginary)], 4), [...before, 2 * pairs])
    : concat(l, [real, imaginary], 3);
  return 2 * pairs === size ? turned : concat(l, [turned, slice(l, x, 3, 2 * pairs, size)], 3);
}

/** Rows of a cache by position, as [B or 1, 1, L, pairs]. */
function positioned(l: Lowering, cache: string, positions: string | undefined, length: number): string | undefined {
  const shape = shapeOf(l, cache);
  if (shape === undefined) return undefined;
  if (positions === undefined) {
    return shape.length === 3 ? reshape(l, cache, [shape[0]!, 1, shape[1]!, shape[2]!]) : undefined;
  }
  const given = shapeOf(l, positions);
  const type = l.type(positions).type;
  // A single number is the position of the first entry, the others follow.
  const each =
    given?.length === 1 && given[0] === 1
      ? reshape(l, l.add("Add", [positions, l.addConstant(tensor([length], range(0, length), type))]), [1, length])
      : positions;
  const rows = l.add("Gather", [cache, each], { axis: 0 });
  const found = shapeOf(l, rows);
  return found?.length === 3 ? reshape(l, rows, [found[0]!, 1, found[1]!, found[2]!]) : undefined;
}

/** RotaryEmbedding on [B, L, heads * size] or [B, heads, L, size], from tables per position. */
function rotary(l: Lowering, positions: string | undefined, cos: string, sin: string): string | undefined {
  const x = input(l, 0);
  const shape = shapeOf(l, x);
  if (x === undefined || shape === undefined) return undefined;
  const length = shape.length === 3 ? shape[1]! : shape[2]!;
  const tables = [cos, sin].map((c) => positioned(l, c, positions, length));
  const pairs = shapeOf(l, tables[0])?.[3];
  if (!tables[0] || !tables[1] || pairs === undefined) return undefined;
  const interleaved = numberAttribute(l.node, "interleaved", 0) === 1;
  if (shape.length === 4) return rotate(l, x, tables[0], tables[1], interleaved);
  const given = numberAttribute(l.node, "num_heads", 0);
  const heads = given > 0 ? given : shape[2]! / (2 * pairs);
  const split = splitHeads(l, x, heads);
  const turned = split && rotate(l, split, tables[0], tables[1], interleaved);
  return turned && joinHeads(l, turned);
}

/** RotaryEmbedding of the standard domain (opset 23). */
export function lowerRotaryEmbedding(l: Lowering): readonly string[] | undefined {
  const [cos, sin] = [input(l, 1), input(l, 2)];
  const y = cos && sin && rotary(l, input(l, 3), cos, sin);
  return y ? [y] : undefined;
}

/** RotaryEmbedding of com.microsoft, which has the positions in front of the tables. */
export function lowerFusedRotaryEmbedding(l: Lowering): readonly string[] | undefined {
  const [positions, cos, sin] = [1, 2, 3].map((i) => input(l, i));
  if (!positions || !cos || !sin || numberAttribute(l.node, "is_packed_batching", 0) === 1) return undefined;
  if (numberAttribute(l.node, "scale", 1) !== 1) return undefined;
  const y = rotary(l, positions, cos, sin);
  return y ? [y] : undefined;
}
