/** @file Choosing among lines. */
import type { Line } from "./view";

/** More lines than this cannot be told apart. */
const MOST_LINES = 6;

/** The lines whose last value is farthest from their first one. */
export function mostMoved(lines: readonly Line[]): Line[] {
  const moved = ({ y }: Line): number => Math.abs((y.at(-1) ?? 0) - (y[0] ?? 0));
  return lines.length <= MOST_LINES ? [...lines] : [...lines].sort((a, b) => moved(b) - moved(a)).slice(0, MOST_LINES);
}
