/** @file Names of the groups that mix the members of a stack. */
import type { FieldRegion } from "../fields/fields";

/**
 * The group of a region in notation, where its dimensions on stacks of two or four members tell: unitary and general linear groups
 * over the complex numbers and the quaternions. Undefined for others.
 */
export function stackedNotation(region: FieldRegion, stacks: ReadonlyMap<string, number>): string | undefined {
  const { kind, dimension, diagonal, skew } = region;
  const edge = region.edges.find((e) => stacks.has(e.value));
  const members = edge && stacks.get(edge.value);
  if (kind === "rotation" && skew === 1) return "U(1)";
  // Where no tensors are mixed, the factors of a product of reflections turn, and that is no group that has a name.
  if (!edge || members === undefined) return kind === "rotation" ? `a rotation group of dimension ${skew}` : undefined;
  if (edge.channels.length % members !== 0) return undefined;
  const n = edge.channels.length / members;
  if (kind === "rotation") {
    if (members === 2 && skew === n * n) return `U(${n})`;
    return members === 4 && skew === n * (2 * n + 1) ? `Sp(${n})` : undefined;
  }
  if (members === 2 && dimension === 2 * n * n && diagonal === n) return `GL(${n}, C)`;
  return members === 4 && dimension === 4 * n * n && diagonal === n ? `GL(${n}, H)` : undefined;
}
