/** @file How channel spaces look: a letter each, a colour and a pattern of dashes, so that none depends on colour alone. */

// Opaque in every theme that comes with VS Code, which the chart colour orange is not.
const COLOURS = ["charts-blue", "charts-yellow", "charts-green", "charts-purple", "terminal-ansiCyan", "charts-red"] as const;
const DASHES = ["", "7 3", "2 3", "9 3 2 3"] as const;

/** `a`, `b`, ..., `z`, `aa`, ...: the name of a space in the picture. */
export function letter(space: number): string {
  const own = String.fromCharCode(97 + (space % 26));
  return space < 26 ? own : letter(Math.floor(space / 26) - 1) + own;
}

/** A colour of the theme. */
export function colour(space: number): string {
  return `var(--vscode-${COLOURS[space % COLOURS.length]!})`;
}

/** Dashes of a line, for `stroke-dasharray`. */
export function dashes(space: number): string {
  return DASHES[Math.floor(space / COLOURS.length) % DASHES.length]!;
}
