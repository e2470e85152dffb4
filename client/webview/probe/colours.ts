/** @file The colours of the editor's theme, for canvases. */

/** Colours that charts use. */
export interface Palette {
  readonly text: string;
  readonly background: string;
  readonly grid: string;
  /** One per line of a chart, over again where there are more lines. */
  readonly lines: readonly string[];
  /** Ends of the scale of heat maps: below and above. */
  readonly low: string;
  readonly high: string;
  readonly highContrast: boolean;
}

/** Lines are told apart by their dashes too: not everyone sees colours, and high contrast themes have few. */
export const DASHES: readonly (readonly number[])[] = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [1, 2], [14, 4], [4, 2, 1, 2]];
export const PREDICTED: readonly number[] = [3, 3];

/** Theme variables for lines, and Okabe and Ito's colours where a theme lacks them. */
const LINES = [
  ["--vscode-charts-blue", "#0072b2"],
  ["--vscode-charts-orange", "#d55e00"],
  ["--vscode-charts-green", "#009e73"],
  ["--vscode-charts-purple", "#cc79a7"],
  ["--vscode-charts-red", "#b3261e"],
  ["--vscode-charts-yellow", "#e69f00"],
] as const;

/** The palette of the present theme; asked anew when the theme changes. */
export function palette(): Palette {
  const style = getComputedStyle(document.body);
  const variable = (name: string, otherwise: string): string => style.getPropertyValue(name).trim() || otherwise;
  const text = variable("--vscode-editor-foreground", style.color);
  const { classList } = document.body;
  const highContrast = classList.contains("vscode-high-contrast") || classList.contains("vscode-high-contrast-light");
  const background = variable("--vscode-editor-background", "Canvas");
  // Some themes have chart colours that hardly show, such as those of search matches.
  const visible = (colour: string, otherwise: string): string =>
    contrast(channels(colour, background), channels(background)) >= LEAST_CONTRAST ? colour : otherwise;
  const lines = LINES.map(([name, otherwise]) => visible(variable(name, otherwise), otherwise));
  return {
    text,
    background,
    grid: highContrast ? text : variable("--vscode-editorWidget-border", "#8884"),
    lines,
    low: lines[0]!,
    high: lines[1]!,
    highContrast,
  };
}

/** Against the background, as WCAG asks of graphics. */
const LEAST_CONTRAST = 3;

/** Contrast of two colours, 1 to 21 (WCAG 2). */
function contrast(a: readonly number[], b: readonly number[]): number {
  const luminance = (rgb: readonly number[]): number => {
    const [r, g, blue] = rgb.map((c) => (c <= 10 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * blue!;
  };
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high! + 0.05) / (low! + 0.05);
}

/** Red, green and blue from 0 to 255 of a CSS colour, painted over another one where it is transparent. */
export function channels(colour: string, over = "#000"): readonly [number, number, number] {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  for (const layer of [over, colour]) {
    context.fillStyle = layer;
    context.fillRect(0, 0, 1, 1);
  }
  const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
  return [r ?? 0, g ?? 0, b ?? 0];
}
