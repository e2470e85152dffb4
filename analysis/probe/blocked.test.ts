/** Convolutions in the blocked layout against the plain ones: data and weights fed, as in training. */
import assert from "node:assert/strict";
import { after, it } from "node:test";
import { writeOnnx } from "../frontends/onnx/write";
import type { Node } from "../graph/graph";
import { elementCount } from "../graph/tensor";
import { Random } from "../numerics/random";
import { GraphBuilder } from "../operators/gradients/builder";
import { operatorTable } from "../operators/table";
import type { WireTensors } from "../runtime/protocol";
import { blockConvolutions, findBlock } from "./blocked";
import { ProbeProcess } from "./worker/process";

const worker = new ProbeProcess();
after(() => worker.kill());

const CASES = [
  { x: [2, 16, 7, 6], w: [32, 16, 3, 3], bias: true, attributes: { pads: [1, 1, 1, 1] } },
  { x: [2, 32, 9, 8], w: [16, 32, 3, 3], bias: false, attributes: { strides: [2, 2], pads: [0, 1, 2, 1] } },
  { x: [1, 16, 9, 9], w: [16, 16, 3, 2], bias: false, attributes: { dilations: [2, 1] } },
  // These stay as they are: three channels, groups, one tap.
  { x: [2, 3, 7, 6], w: [16, 3, 3, 3], bias: true, attributes: {} },
  { x: [2, 32, 5, 5], w: [32, 16, 3, 3], bias: true, attributes: { group: 2 } },
  { x: [2, 16, 5, 5], w: [16, 16, 1, 1], bias: false, attributes: {} },
];

function build(block: number | undefined) {
  const empty = { nodes: [], parameters: new Map(), constants: new Map(), types: new Map() };
  const b = new GraphBuilder({ name: "convolutions", opset: 21, inputs: [], outputs: [], ...empty }, operatorTable);
  CASES.forEach(({ x, w, bias, attributes }, k) => {
    b.addInput(`x${k}`, "float32", x);
    b.addInput(`w${k}`, "float32", w);
    if (bias) b.addInput(`b${k}`, "float32", [w[0]!]);
    const inputs = [`x${k}`, `w${k}`, ...(bias ? [`b${k}`] : [])];
    const node: Node = { name: `y${k}`, operator: "Conv", domain: "", inputs, outputs: [`y${k}`], attributes, origin: {} };
    b.append(node);
  });
  if (block !== undefined) blockConvolutions(b, block);
  return b.finish(CASES.map((_, k) => `y${k}`));
}

it("computes the same, stride, dilation and uneven padding included", async (t) => {
  const block = await findBlock(worker);
  if (block === undefined) {
    // Not every build of ONNX Runtime has the layout; those for x64 have.
    assert.notEqual(process.arch, "x64", "no block was found, though ONNX Runtime has blocked convolutions on x64");
    t.skip("this build of ONNX Runtime has no blocked convolutions");
    return;
  }
  const [plain, blocked] = [build(undefined), build(block)];
  assert.equal(blocked.nodes.filter((n) => n.domain !== "" && n.operator === "Conv").length, 3);
  assert.equal(blocked.nodes.filter((n) => n.domain === "" && n.operator === "Conv").length, 3);
  const random = new Random(3);
  const feeds: Record<string, WireTensors[string]> = {};
  for (const { name, shape } of plain.inputs) {
    const data = Float32Array.from(random.normals(elementCount(shape)));
    feeds[name] = { type: "float32", shape, data };
  }
  const run = async (graph: typeof plain) => (await worker.run(writeOnnx(graph), feeds, [{}], { name: "cpu", threads: 1 }))[0]!;
  const [expected, found] = [await run(plain), await run(blocked)];
  for (const y of plain.outputs) {
    assert.deepEqual(found[y]!.shape, expected[y]!.shape);
    expected[y]!.data.forEach((v, i) => {
      const other = Number(found[y]!.data[i]);
      assert.ok(Math.abs(Number(v) - other) <= 1e-4, `${y}[${i}] is ${other}, plain ${v}`);
    });
  }
});
