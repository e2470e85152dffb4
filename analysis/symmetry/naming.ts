/** @file Names of groups, in words and notation. */
import type { RegionGroup } from "./analysis";

/** What acts on one channel space. */
export interface SpaceActions {
  readonly size: number;
  readonly permutable: boolean;
  /** What the enclosing space, per index of which this acts independently, is made of: head, expert, block. */
  readonly within?: string;
  /** Independent one-parameter scalings per index, by whether they are scale (forgotten by a norm) or rescaling. */
  readonly scale: number;
  readonly rescaling: number;
  /** Sign flips per index. */
  readonly signs: number;
  /** Exchanges of each entry's weights with what takes its part elsewhere: `S(2)^4` of the two halves of a gate. */
  readonly exchanges?: readonly string[];
  /** Matrix groups, for example GL(3) between query and key. */
  readonly regions: readonly RegionGroup[];
}

/** All that acts on a space, for example `S(8) with R+^8` or `GL(3) per head`. */
export function spaceGroup(a: SpaceActions): string {
  const n = a.size;
  const parts: string[] = [];
  if (a.permutable) parts.push(`S(${n})`);
  for (const r of new Set(a.regions.map((region) => region.notation))) parts.push(r);
  const scalings = a.scale + a.rescaling;
  const covered = a.regions.some((r) => r.kind === "linear");
  if (!covered) {
    const power = (k: number) => (k > 1 ? `, ${k} ways` : "");
    if (scalings > 0 && a.signs > 0) parts.push(`R*^${n}${power(scalings)}`);
    else if (scalings > 0) parts.push(`R+^${n}${power(scalings)}`);
    else if (a.signs > 0) parts.push(`Z2^${n}`);
  }
  for (const e of new Set(a.exchanges)) parts.push(`exchanges ${e}`);
  const all = parts.length > 1 ? `${parts[0]} with ${parts.slice(1).join(", ")}` : (parts[0] ?? "1");
  return a.within ? `${all} per ${a.within}` : all;
}
