/** @file Charts: what is drawn is where it belongs, whatever the numbers. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lineChart } from "./svg";

const chart = (points: readonly { x: number; y: number; error?: number }[], more = {}) =>
  lineChart({ title: "t <1>", xLabel: "x", yLabel: "y", series: [{ name: "a", points }], ...more });

describe("line charts", () => {
  it("keep everything inside of the frame, with round ticks", () => {
    const svg = chart([
      { x: 0, y: 0.13 },
      { x: 50, y: 7.9 },
      { x: 97, y: 3, error: 1 },
    ]);
    assert.match(svg, /^<svg [^>]*viewBox="0 0 480 260"/);
    assert.ok(svg.includes(">100<") && svg.includes(">8<"));
    const [, points] = /<polyline points="([^"]+)"/.exec(svg)!;
    for (const pair of points!.split(" ")) {
      const [x, y] = pair.split(",").map(Number);
      assert.ok(x! >= 62 && x! <= 464 && y! >= 30 && y! <= 216, pair);
    }
  });

  it("leave out what cannot be drawn, and escape text", () => {
    const svg = chart(
      [
        { x: 1, y: 0 },
        { x: 10, y: 10 },
        { x: 100, y: Number.NaN },
        { x: 1000, y: 0.1 },
      ],
      { xScale: "log", yScale: "log" },
    );
    assert.equal(/<polyline points="([^"]+)"/.exec(svg)![1]!.split(" ").length, 2);
    assert.ok(svg.includes("t &lt;1&gt;") && !svg.includes("NaN") && !svg.includes("Infinity"));
  });

  it("survive a single point, equal values and no points", () => {
    for (const points of [
      [],
      [{ x: 3, y: 5 }],
      [
        { x: 0, y: 0 },
        { x: 0, y: 0 },
      ],
    ]) {
      const svg = chart(points);
      assert.ok(!svg.includes("NaN") && !svg.includes("Infinity"), svg);
    }
  });

  it("name several lines and tell them apart without colour", () => {
    const svg = lineChart({
      title: "t",
      xLabel: "x",
      yLabel: "y",
      series: ["one", "two", "three"].map((name, i) => ({
        name,
        points: [
          { x: 0, y: i },
          { x: 1, y: i },
        ],
      })),
    });
    assert.ok(["one", "two", "three"].every((name) => svg.includes(`>${name}</text>`)));
    assert.equal(new Set([...svg.matchAll(/<polyline [^>]*?(stroke-dasharray="[^"]*")?\/>/g)].map((m) => m[1])).size, 3);
  });
});
