import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readOnnx } from "../frontends/onnx/read";
import type { Node } from "../graph/graph";
import { analyse } from "../symmetry/analyse";
import { type Drawing, drawingOf } from "./drawing";
import { layout } from "./layout";
import { foldRepeats } from "./repeats";
import { moduleTree } from "./scopes";

function drawn(path: string): Drawing {
  return drawingOf(analyse(readOnnx({ path }).graph, { numeric: false }));
}

const resnet = drawn("testFixtures/models/resnet18.onnx");
const at = (name: string, d = resnet) => d.nodes.findIndex((n) => n.name === name);

describe("a drawing", () => {
  it("has every operator of a plain network, in its modules", () => {
    assert.equal(resnet.nodes.length, 71);
    assert.equal(resnet.hidden, 0);
    const conv = resnet.nodes[at("/layer1/layer1.0/conv1/Conv")]!;
    assert.equal(conv.title, "Conv");
    assert.equal(conv.detail, "3×3");
    assert.equal(conv.shape, "64×56×56");
    assert.deepEqual(conv.parameters, ["layer1.0.conv1.weight"]);
    assert.equal(conv.weights, 64 * 64 * 9);
    assert.equal(resnet.modules[conv.module!]!.path, "layer1.0");
    const total = resnet.nodes.reduce((n, v) => n + v.weights, 0);
    assert.equal(total, 11_689_512);
  });

  it("joins what flows, inputs and outputs included", () => {
    const edges = new Set(resnet.edges.map(([a, b]) => `${resnet.nodes[a]!.name} > ${resnet.nodes[b]!.name}`));
    assert.ok(edges.has("x > /conv1/Conv"));
    assert.ok(edges.has("/fc/Gemm > y"));
    assert.ok(edges.has("/maxpool/MaxPool > /layer1/layer1.0/Add"), "the shortcut");
  });

  it("colours what a channel space runs through: the stream of a layer is one", () => {
    const space = resnet.nodes[at("/conv1/Conv")]!.writes;
    assert.equal(space.length, 1);
    for (const name of ["/relu/Relu", "/maxpool/MaxPool", "/layer1/layer1.1/Add", "/layer1/layer1.0/bn2/BatchNormalization"]) {
      assert.deepEqual(resnet.nodes[at(name)]!.writes, space, name);
    }
    assert.notDeepEqual(resnet.nodes[at("/layer1/layer1.0/conv1/Conv")]!.writes, space);
    assert.deepEqual(resnet.nodes[at("/fc/Gemm")]!.writes, [], "outputs are fixed");
    for (const { acts } of resnet.spaces) for (const { node } of acts) assert.ok(node !== undefined && node < 71);
  });

  it("leaves out arithmetic on shapes, but nothing that data flows through", () => {
    const path = "testFixtures/models/vit_b_16.onnx";
    const { graph } = readOnnx({ path });
    const vit = drawn(path);
    const count = (title: string) => vit.nodes.filter((n) => n.title === title).length;
    const inFile = (operator: string) => graph.nodes.filter((n) => n.operator === operator).length;
    assert.ok(vit.hidden > 300, `${vit.hidden} hidden`);
    assert.equal(count("Shape"), 0);
    assert.equal(count("Softmax"), inFile("Softmax"));
    assert.equal(count("Gemm"), inFile("Gemm"));
    const layers = vit.modules.filter((m) => m.repeats !== undefined);
    assert.deepEqual(layers, [{ path: "encoder.layers", parent: layers[0]!.parent, repeats: { blocks: 12, kinds: 1 } }]);
    for (const node of graph.nodes) assert.ok((vit.standsFor[node.name] ?? 0) >= 0 || node.operator === "Constant", node.name);
    // Whatever is drawn is joined to an input: nothing hangs in the air.
    const reached = new Set<number>([0]);
    for (const [a, b] of [...vit.edges].sort((x, y) => x[1] - y[1])) if (reached.has(a)) reached.add(b);
    const loose = vit.nodes.filter((n, i) => !reached.has(i) && n.parameters.length === 0);
    assert.deepEqual(loose, []);
  });
});

describe("modules of a drawing", () => {
  const node = (i: number, scope?: string): Node => ({
    name: `Relu_${i}`,
    operator: "Relu",
    domain: "",
    inputs: [`v${i}`],
    outputs: [`v${i + 1}`],
    attributes: {},
    origin: scope === undefined ? {} : { scope },
  });
  const chain = (n: number): number[][] => Array.from({ length: n }, (_, i) => (i === 0 ? [] : [i - 1]));

  it("are stretches of a large network whose names tell none", () => {
    const nodes = Array.from({ length: 400 }, (_, i) => node(i));
    const { modules, of } = moduleTree(nodes, chain(400));
    assert.equal(modules.length, 20);
    assert.equal(modules[1]!.path, "Relu_20 to Relu_39");
    assert.deepEqual([of[0], of[19], of[20], of[399]], [0, 0, 1, 19]);
    assert.equal(moduleTree(nodes.slice(0, 100), chain(100)).modules.length, 0);
  });

  it("hold what lies between two of their nodes, and are left out where they say nothing", () => {
    const nodes = [node(0, "a.b.c"), node(1), node(2, "a.b.c"), node(3, "a.d"), node(4, "e")];
    const { modules, of } = moduleTree(nodes, chain(5));
    assert.deepEqual(
      modules.map((m) => m.path),
      ["a", "a.b.c"],
    );
    assert.deepEqual(of, [1, 1, 1, 0, undefined]);
  });
});

describe("repeated modules", () => {
  /** A tree of nodes with their modules and operators, one behind the other. */
  const fold = (text: string, shapeOf: (node: Node) => string = () => "8") => {
    const nodes = text.split(" ").map((part, i): Node => {
      const [scope, operator] = part.split(":") as [string, string];
      const origin = scope === "" ? {} : { scope };
      return { name: `n${i}`, operator, domain: "", inputs: [`v${i}`], outputs: [`v${i + 1}`], attributes: {}, origin };
    });
    const before = nodes.map((_, i) => (i === 0 ? [] : [i - 1]));
    const { modules, of } = foldRepeats(moduleTree(nodes, before), nodes, shapeOf);
    const rows = modules.filter((m) => m.repeats).map((m) => `${m.path} ${m.repeats!.blocks}/${m.repeats!.kinds}`);
    return { modules, of, rows };
  };
  const block = (path: string, inner = "Relu") => `${path}.a:Conv ${path}.b:${inner}`;
  const row = (count: number, inner: (i: number) => string = () => "Relu") =>
    Array.from({ length: count }, (_, i) => block(`body.${i}`, inner(i))).join(" ");

  it("are a module of their own, within the one that they are in", () => {
    const { modules, of, rows } = fold(`stem:Conv ${row(4)} body.last:Add head:Gemm`);
    assert.deepEqual(rows, ["body.0–3 4/1"]);
    const at = modules.findIndex((m) => m.repeats);
    assert.equal(modules[modules[at]!.parent!]!.path, "body");
    assert.ok(of.slice(1, 9).every((m) => modules[m!]!.parent === at));
  });

  it("are the module that they are in, where nothing else is in it", () => {
    assert.deepEqual(fold(`stem:Conv ${row(3)} head:Gemm`).rows, ["body 3/1"]);
    assert.deepEqual(fold(`stem:Conv ${row(6, (i) => (i % 2 ? "Tanh" : "Relu"))} head:Gemm`).rows, ["body 6/2"]);
  });

  it("are no fewer than three, built alike, and directly one behind the other", () => {
    for (const text of [
      row(2),
      row(4, (i) => (i % 2 ? "Tanh" : "Relu")),
      row(4, (i) => ["Relu", "Relu", "Tanh", "Tanh"][i]!),
      [block("body.0"), block("body.1"), "body.loose:Add", block("body.2"), block("body.3")].join(" "),
      [block("left.0"), block("right.1"), block("left.2")].join(" "),
    ])
      assert.deepEqual(fold(`stem:Conv ${text} head:Gemm`).rows, [], text);
    assert.deepEqual(fold(`stem:Conv ${block("body.0", "Tanh")} ${row(4).replaceAll("body.", "body.1")} head:Gemm`).rows, [
      "body.10–13 4/1",
    ]);
  });

  it("write the same shape: stages of a network are none", () => {
    const text = `stem:Conv ${row(4)} head:Gemm`;
    assert.deepEqual(fold(text, (n) => n.name).rows, []);
    assert.deepEqual(fold(text, (n) => (Number(n.name.slice(1)) < 3 ? "16" : "8")).rows, ["body.1–3 3/1"]);
  });

  it("are found in networks whose widths grow from block to block", () => {
    const rows = drawn("testFixtures/models/densenet121.onnx").modules.flatMap((m) => m.repeats?.blocks ?? []);
    assert.deepEqual(rows, [6, 12, 24, 16]);
    assert.deepEqual(
      resnet.modules.filter((m) => m.repeats),
      [],
    );
  });
});

describe("a layout", () => {
  const request = {
    boxes: [
      { id: "m", width: 0, height: 0 },
      { id: "a", width: 80, height: 30 },
      { id: "b", width: 120, height: 30, parent: "m" },
      { id: "c", width: 60, height: 30, parent: "m" },
      { id: "d", width: 80, height: 30 },
    ],
    lines: [
      ["a", "b"],
      ["b", "c"],
      ["c", "d"],
      ["a", "d"],
    ] as const,
  };

  it("goes downwards, keeps boxes apart and frames around what is in them", async () => {
    const made = await layout(request);
    const box = new Map(made.boxes.map((b) => [b.id, b]));
    const of = (id: string) => box.get(id)!;
    assert.ok(of("a").y + 30 <= of("b").y && of("b").y + 30 <= of("c").y && of("c").y + 30 <= of("d").y);
    for (const id of ["b", "c"]) {
      assert.ok(of(id).x >= of("m").x && of(id).x + of(id).width <= of("m").x + of("m").width);
      assert.ok(of(id).y >= of("m").y && of(id).y + 30 <= of("m").y + of("m").height);
    }
    made.lines.forEach((points, i) => {
      const [from, to] = request.lines[i]!;
      assert.ok(points.length >= 4);
      assert.ok(Math.abs(points[1]! - (of(from).y + 30)) < 1, `${from} to ${to} begins at the lower edge`);
      assert.ok(Math.abs(points.at(-1)! - of(to).y) < 1, `${from} to ${to} ends at the upper edge`);
    });
  });

  it("is the same for the same request", async () => {
    assert.deepEqual(await layout(request), await layout(request));
  });
});
