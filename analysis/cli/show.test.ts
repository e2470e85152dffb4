import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { run } from "./run";

/** Runs a command line; what it printed, and its exit code. */
async function noether(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  let [out, error] = ["", ""];
  const code = await run(args, {
    out: (text) => (out += `${text}\n`),
    error: (text) => (error += `${text}\n`),
    isTTY: false,
    columns: 100,
    environment: {},
  });
  return { code, out, error };
}

describe("noether show", () => {
  it("prints a file and a class in ONNX's syntax", async () => {
    const file = await noether("show", "testFixtures/zoo/onnx/MlpRelu.onnx");
    assert.equal(file.code, 0);
    assert.match(file.out, /^# MlpRelu\.onnx: .*\n<ir_version: \d+, opset_import: \["" : \d+\]>\n/);
    assert.match(file.out, /float\[8,4\] "fc1\.weight",\n/);
    const source = await noether("show", "docs/examples/mlp.py::Mlp", "--names", "plain");
    assert.equal(source.code, 0);
    assert.match(source.out, /act_Relu_1_0 = Relu \(fc1_Gemm_0_0\)/);
  });

  it("says what is wrong with what it was asked", async () => {
    for (const [args, message] of [
      [["show"], /show needs a FILE/],
      [["show", "none.onnx"], /none\.onnx is no file/],
      [["show", "docs/examples/mlp.py::Mlq"], /has no model Mlq .*Mlp/],
      [["show", "docs/examples/mlp.py", "--names", "long"], /--names is quoted, plain, not long/],
      [["export", "docs/examples/mlp.py"], /export needs FILE\.py::Class/],
      [["export", "docs/examples/mlp.py::Mlp", "--timeout", "soon"], /--timeout is a number of seconds, not soon/],
      [["export", "docs/examples/mlp.py::None"], /has no model None/],
    ] as const) {
      const { code, error } = await noether(...args);
      assert.equal(code, 4, args.join(" "));
      assert.match(error, message);
    }
    assert.equal((await noether("show", "test/fixtures/ws/broken.onnx")).code, 2);
  });

  it("tells what an export would run, and runs nothing", async () => {
    const { code, out } = await noether("export", "docs/examples/mlp.py::Mlp", "--dry-run", "--python", "/no/python");
    assert.equal(code, 0);
    assert.match(out, /^would run \/no\/python in .*: import docs\/examples\/mlp\.py, make Mlp\(\), call it with x \[4, 10\]/);
  });
});
