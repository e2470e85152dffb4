/** @file Graphs of 100,000 nodes, which nobody writes by hand and exporters do: unrolled, deep, wide. */
import type { Graph } from "../analysis/graph/graph";
import { int64Vector, scalar } from "../analysis/graph/tensor";
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

/** Linear layers as PyTorch exports them. */
function linear(): Graph {
  const b = new Builder();
  let x = "x";
  for (let i = 0; i < NODES / 2; i++) {
    x = b.relu(b.node("Gemm", [x, b.parameter(`${i}.weight`, [4, 4]), b.parameter(`${i}.bias`, [4])], { transB: 1 }));
  }
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

/** One layer unrolled over its steps, each of which reads its own part of the input. */
function unrolled(): Graph {
  const b = new Builder();
  const [read, kept] = [b.parameter("read", [4, 8]), b.parameter("kept", [8, 8])];
  const step = (t: number) =>
    b.node("MatMul", [b.node("Gather", ["x", b.constant(`step ${t}`, scalar(t, "int64"))], { axis: 0 }), read]);
  const steps = NODES / 5;
  let h = step(0);
  for (let t = 1; t < steps; t++) h = b.node("Tanh", [b.node("Add", [b.node("MatMul", [h, kept]), step(t)])]);
  return b.build([steps, 2, 4], dense(b, h, "out", 8, 2));
}

/** Transformer blocks with layer norm in front. */
function transformer(): Graph {
  const b = new Builder();
  const apart = b.constant("heads apart", int64Vector([2, 3, 2, 4]));
  const together = b.constant("heads together", int64Vector([2, 3, 8]));
  const linear = (x: string, name: string, from: number, to: number) =>
    b.node("Add", [dense(b, x, `${name}.weight`, from, to), b.parameter(`${name}.bias`, [to])]);
  const norm = (x: string, name: string) =>
    b.node("LayerNormalization", [x, b.parameter(`${name}.weight`, [8]), b.parameter(`${name}.bias`, [8])], { axis: -1 });
  let x = dense(b, "x", "in", 5, 8);
  for (let k = 0; k < NODES / 31; k++) {
    const read = norm(x, `${k}.norm1`);
    const heads = (name: string, perm: readonly number[]) =>
      b.node("Transpose", [b.node("Reshape", [linear(read, `${k}.${name}`, 8, 8), apart])], { perm });
    const scores = b.node("MatMul", [heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1])]);
    const mixed = b.node("MatMul", [b.node("Softmax", [scores], { axis: -1 }), heads("value", [0, 2, 1, 3])]);
    const joined = b.node("Reshape", [b.node("Transpose", [mixed], { perm: [0, 2, 1, 3] }), together]);
    x = b.node("Add", [x, linear(joined, `${k}.projection`, 8, 8)]);
    const hidden = linear(norm(x, `${k}.norm2`), `${k}.up`, 8, 16);
    x = b.node("Add", [x, linear(b.node("Mul", [hidden, b.node("Sigmoid", [hidden])]), `${k}.down`, 16, 8)]);
  }
  return b.build([2, 3, 5], dense(b, x, "out", 8, 3));
}

/** Convolutions with batch norm in inference, as exporters leave them. */
function normalised(): Graph {
  const b = new Builder();
  let x = b.convolution("x", 3, 4, 1, 1, "in");
  for (let k = 0; k < NODES / 3; k++) x = b.relu(b.batchNorm(b.convolution(x, 4, 4, 1, 1, `${k}`), 4, `${k}.norm`, false));
  return b.build([2, 3, 4, 4], b.convolution(x, 4, 2, 1, 1, "out"));
}

/** Operators that nobody knows. */
function unknown(): Graph {
  const b = new Builder();
  let x = "x";
  for (let i = 0; i < NODES; i++) x = b.node("NobodyKnows", [x]);
  return b.build([2, 4], x);
}

/** Analysis of graphs of 100,000 nodes. */
export function scaleSection(): Section {
  const graphs: readonly (readonly [string, () => Graph])[] = [
    ["chain of layers", chain],
    ["linear layers with a bias", linear],
    ["residual blocks", residual],
    ["one wide Concat", wide],
    ["one value with 50,000 readers", shared],
    ["one layer over 20,000 steps", unrolled],
    ["operators that nobody knows", unknown],
    ["transformer blocks", transformer],
    ["batch norm in inference", normalised],
    ["ResNet with batch norm in training", () => deepResnet(585)],
  ];
  const rows = graphs.map(([what, make]): Row => {
    const graph = make();
    const timing = time(() => analyse(graph, { numeric: false }), { runs: 3, warmUp: 0, limit: 6_000 });
    return timed(what, timing, { target: 2000, note: `${graph.nodes.length} nodes` });
  });
  return { title: "Graphs of 100,000 nodes", rows };
}
