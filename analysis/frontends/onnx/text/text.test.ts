import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import type { Graph } from "../../../graph/graph";
import { readOnnx } from "../read";
import { floatText, typeText } from "./literals";
import { graphText } from "./text";

const FOLDERS = ["testFixtures/zoo/onnx", "testFixtures/onnx-features", "testFixtures/models"];
const files = FOLDERS.flatMap((folder) =>
  readdirSync(folder)
    .filter((f) => f.endsWith(".onnx"))
    .map((f) => path.join(folder, f)),
);

/** Operators of a graph and of the graphs inside, with their numbers of inputs and outputs. */
function structure(graph: Graph): string[] {
  return graph.nodes.flatMap((n) => [
    `${n.domain}.${n.operator} ${n.outputs.length}`,
    ...Object.values(n.attributes).flatMap((a) => (typeof a === "object" && "nodes" in a ? structure(a) : [])),
  ]);
}

const PARSE = `
import json, sys
import onnx, onnx.parser, onnx.numpy_helper
def structure(g):
    out = []
    for n in g.node:
        out.append(f"{n.domain}.{n.op_type} {len(n.output)}")
        for a in sorted(n.attribute, key=lambda a: 0):
            if a.HasField("g"): out += structure(a.g)
    return out
answers = []
for text in json.load(sys.stdin):
    try:
        m = onnx.parser.parse_model(text)
        answers.append({"nodes": structure(m.graph), "inputs": len(m.graph.input), "opset": m.opset_import[0].version,
            "constants": {t.name: onnx.numpy_helper.to_array(t).tolist() for t in m.graph.initializer if t.data_type != 8}})
    except Exception as e:
        answers.append({"error": str(e)[-200:]})
json.dump(answers, sys.stdout)
`;
const PYTHON = "python3";
const candidates = [`/usr/bin/${PYTHON}`, PYTHON];
const python = candidates.find((p) => spawnSync(p, ["-c", "import onnx.parser"], { stdio: "ignore" }).status === 0);
const skip = python === undefined ? "python3 has no onnx: texts are not parsed here" : false;

describe("a graph in ONNX's text syntax", () => {
  it("says what the file says", () => {
    const { graph, header } = readOnnx({ path: "testFixtures/onnx-features/if.onnx" });
    const { text } = graphText(graph, { header, comments: ["one line"] });
    assert.match(text, /^# one line\n<ir_version: \d+, opset_import: \["" : \d+\]>\n/);
    assert.match(text, /If <\n {4}\w+ = \w+ \(\) => \(float\[.*\] \S+\)/);
    assert.match(text, /Relu|Conv|Gemm|MatMul|Add/);
  });

  it("knows where nodes and parameters are", () => {
    for (const file of files.filter((f) => !f.includes("swin"))) {
      const { graph, header } = readOnnx({ path: file });
      const printed = graphText(graph, { header });
      const lines = printed.text.split("\n");
      for (const { node, operator } of printed.nodes) {
        const said = lines[operator.line]!.slice(operator.start, operator.end);
        assert.ok(said === node.operator || said === `${node.domain}.${node.operator}`, `${file}: ${said}`);
      }
      for (const [name, places] of printed.parameters) {
        for (const { line, start, end } of places) assert.equal(lines[line]!.slice(start, end).replaceAll('"', ""), name);
      }
      const declared = [...graph.parameters.keys()].filter((p) => printed.parameters.has(p));
      assert.equal(declared.length, graph.parameters.size, file);
    }
  });

  it("never prints weights", () => {
    const { graph, header } = readOnnx({ path: "testFixtures/models/alexnet.onnx" });
    const { text } = graphText(graph, { header });
    assert.match(text, /float\[4096,9216\] "classifier\.1\.weight",?\n/);
    assert.ok(text.length < 20_000, `${text.length} characters`);
  });

  it("is read by onnx.parser as the same graph", { skip }, () => {
    const models = files.map((path) => readOnnx({ path }));
    const texts = models.map((m) => graphText(m.graph, { names: "plain", header: m.header }).text);
    const run = spawnSync(python!, ["-c", PARSE], { input: JSON.stringify(texts), encoding: "utf8", maxBuffer: 2 ** 27 });
    assert.equal(run.status, 0, run.stderr);
    const answers = JSON.parse(run.stdout.replaceAll("NaN", "null").replaceAll("Infinity", "null")) as {
      error?: string;
      nodes: string[];
      inputs: number;
      opset: number;
      constants: Record<string, unknown>;
    }[];
    answers.forEach((answer, i) => {
      const { graph, opset } = models[i]!;
      assert.equal(answer.error, undefined, files[i]);
      assert.deepEqual(answer.nodes, structure(graph), files[i]);
      assert.equal(answer.inputs, graph.inputs.length, files[i]);
      assert.equal(answer.opset, opset, files[i]);
      const scalars = [...graph.constants].filter(([name, t]) => /^\w+$/.test(name) && t.shape.length === 0);
      for (const [name, t] of scalars) {
        const got = answer.constants[name];
        if (typeof got === "number") assert.ok(Math.abs(got - t.data[0]!) <= 1e-6 * Math.abs(got), `${files[i]}: ${name}`);
      }
    });
  });
});

describe("literals", () => {
  it("writes floats as short as they are exact", () => {
    assert.equal(floatText(Math.fround(1e-5), true), "0.00001");
    assert.equal(floatText(1, true), "1.0");
    assert.equal(floatText(0.1, false), "0.1");
    assert.equal(floatText(Math.fround(0.1), false), "0.10000000149011612");
    assert.equal(floatText(-3.4028234663852886e38, true), "-3.4028235e+38");
  });

  it("writes types with symbolic sizes", () => {
    assert.equal(typeText("float32", ["N", 3, undefined]), "float[N,3,?]");
    assert.equal(typeText("int64", []), "int64");
    assert.equal(typeText("bool", undefined), "bool[]");
  });
});
