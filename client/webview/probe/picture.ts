/** @file All charts and maps of the panel as one picture. */
import type { Chart } from "./chart";
import type { Palette } from "./colours";
import type { HeatMap } from "./heat-map";

const WIDTH = 560;
const GAP = 24;
const TITLE = 26;
const LEGEND_ROW = 18;
const SCALE = 2;

/** What is on the picture besides charts. */
export interface Words {
  readonly title: string;
  readonly sentences: readonly string[];
}

/** The picture as a data URL of a PNG, in the colours of the theme. */
export function pictureOf(words: Words, charts: readonly Chart[], maps: readonly HeatMap[], palette: Palette): string {
  const canvas = document.createElement("canvas");
  const columns = charts.length + maps.length > 1 ? 2 : 1;
  const full = GAP + columns * (WIDTH + GAP);
  const context = canvas.getContext("2d")!;
  const family = getComputedStyle(document.body).fontFamily;
  const lines = words.sentences.flatMap((s) => wrapped(context, s, `13px ${family}`, full - 2 * GAP));
  const tiles = [
    ...charts.flatMap((chart) => (chart.canvas ? [{ title: chart.title, canvas: chart.canvas, legend: chart.legend }] : [])),
    ...maps.map((map) => ({ title: map.title, canvas: map.canvas, legend: [] as Chart["legend"] })),
  ].map((tile) => {
    const width = Math.min(WIDTH, tile.canvas.width / devicePixelRatio);
    const height = (tile.canvas.height / tile.canvas.width) * width;
    const rows = tile.legend.length > 1 ? tile.legend.length : 0;
    return { ...tile, width, height, rows, total: TITLE + height + rows * LEGEND_ROW };
  });
  const rowHeights: number[] = [];
  tiles.forEach(({ total }, i) => {
    const row = Math.floor(i / columns);
    rowHeights[row] = Math.max(rowHeights[row] ?? 0, total);
  });
  const top = GAP + 32 + lines.length * 20 + GAP;
  const height = top + rowHeights.reduce((sum, h) => sum + h + GAP, 0);
  canvas.width = full * SCALE;
  canvas.height = height * SCALE;
  context.scale(SCALE, SCALE);
  context.fillStyle = palette.background;
  context.fillRect(0, 0, full, height);
  context.fillStyle = palette.text;
  context.textBaseline = "top";
  context.font = `600 20px ${family}`;
  context.fillText(words.title, GAP, GAP);
  context.font = `13px ${family}`;
  lines.forEach((line, i) => context.fillText(line, GAP, GAP + 32 + i * 20));
  let y = top;
  tiles.forEach((tile, i) => {
    const column = i % columns;
    if (i > 0 && column === 0) y += rowHeights[Math.floor(i / columns) - 1]! + GAP;
    const x = GAP + column * (WIDTH + GAP);
    context.fillStyle = palette.text;
    context.font = `600 14px ${family}`;
    context.fillText(tile.title, x, y);
    context.drawImage(tile.canvas, x, y + TITLE, tile.width, tile.height);
    context.font = `12px ${family}`;
    if (tile.rows === 0) return;
    tile.legend.forEach(({ colour, dash, name }, k) => {
      const at = y + TITLE + tile.height + k * LEGEND_ROW;
      context.strokeStyle = colour;
      context.lineWidth = 2;
      context.setLineDash([...dash]);
      context.beginPath();
      context.moveTo(x + 8, at + 9);
      context.lineTo(x + 38, at + 9);
      context.stroke();
      context.setLineDash([]);
      context.fillText(name, x + 46, at + 2);
    });
  });
  return canvas.toDataURL("image/png");
}

/** A text in lines that fit. */
function wrapped(context: CanvasRenderingContext2D, text: string, font: string, width: number): string[] {
  context.font = font;
  const out: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && context.measureText(longer).width > width) {
      out.push(line);
      line = word;
    } else line = longer;
  }
  return line === "" ? out : [...out, line];
}
