/** @file Graphs of 100,000 nodes, which nobody writes by hand and exporters do: unrolled, deep, wide. */
import type { Graph } from "../analysis/graph/graph";
import { analyse } from "../analysis/symmetry/analyse";
import { Builder, deepResnet } from "./deep-resnet";
import { type Row, type Section, timed } from "./report";
import { time } from "./timing";

const NODES = 100_000;

function dense(b: Builder, x: string, name: string, from: number, to: number): string {
  return b.node("MatMul", [x, b.parameter(name, [from, to])]);
}

/** Layers one after the other. */
function chain(): Graph {
  const b = new Builder();
  let x = "x";
  for (let i = 0; i < NODES / 2; i++) x = b.relu(dense(b, x, `w${i}`, 4, 4));
  return b.build([2, 4], x);
}

/** Residual blocks on one stream. */
function residual(): Graph {
  const b = new Builder();
  let x = dense(b, "x", "in", 4, 6);
  for (let i = 0; i < NODES / 4; i++) x = b.node("Add", [x, dense(b, b.relu(dense(b, x, `a${i}`, 6, 8)), `b${i}`, 8, 6)]);
  return b.build([2, 4], dense(b, x, "out", 6, 3));
}

/** Branches side by side in one Concat. */
function wide(): Graph {
  const b = new Builder();
  const ys = Array.from({ length: NODES / 2 }, (_, i) => b.relu(dense(b, "x", `a${i}`, 4, 3)));
  return b.build([2, 4], dense(b, b.node("Concat", ys, { axis: 1 }), "out", 3 * ys.length, 2));
}

/** One value with 50,000 readers. */
function shared(): Graph {
  const b = new Builder();
  const h = b.relu(dense(b, "x", "w", 4, 8));
  const ys = Array.from({ length: NODES / 2 }, (_, i) => b.relu(dense(b, h, `a${i}`, 8, 3)));
  return b.build([2, 4], b.node("Sum", ys));
}

/** Analysis of graphs of 100,000 nodes. */
export function scaleSection(): Section {
  const graphs: readonly (readonly [string, () => Graph])[] = [
    ["chain of layers", chain],
    ["residual blocks", residual],
    ["one wide Concat", wide],
    ["one value with 50,000 readers", shared],
    ["ResNet with batch norm in training", () => deepResnet(585)],
  ];
  const rows = graphs.map(([what, make]): Row => {
    const graph = make();
    const timing = time(() => analyse(graph, { numeric: false }), { runs: 3, warmUp: 0, limit: 6_000 });
    return timed(what, timing, { target: 2000, note: `${graph.nodes.length} nodes` });
  });
  return { title: "Graphs of 100,000 nodes", rows };
}
