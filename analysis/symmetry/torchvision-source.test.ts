/** @file torchvision's classification models from their source and from their ONNX exports: the same permutation groups. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import { loadPythonParser, PythonProject } from "../frontends/python/index";
import { DiskHost } from "../service/python-host";
import { analyse } from "./analyse";
import type { ModelAnalysis } from "./analysis";
import { formatAddress } from "./symmetry";

const EXPORTS = path.resolve(import.meta.dirname, "../../testFixtures/models");
/** Where Debian installs packages for Python. */
const PACKAGES = "/usr/lib/python3/dist-packages";
const SOURCE = path.join(PACKAGES, "torchvision", "models");

/** The file of each export's factory; exports were made in training mode, without auxiliary classifiers. */
const FILES: Readonly<Record<string, string>> = {
  alexnet: "alexnet",
  convnext_tiny: "convnext",
  densenet121: "densenet",
  efficientnet_b0: "efficientnet",
  googlenet: "googlenet",
  inception_v3: "inception",
  mnasnet0_5: "mnasnet",
  mobilenet_v2: "mobilenetv2",
  mobilenet_v3_small: "mobilenetv3",
  regnet_y_400mf: "regnet",
  resnet18: "resnet",
  resnet50: "resnet",
  resnext50_32x4d: "resnet",
  shufflenet_v2_x1_0: "shufflenetv2",
  squeezenet1_1: "squeezenet",
  swin_t: "swin_transformer",
  vgg11_bn: "vgg",
  vit_b_16: "vision_transformer",
};

/** Sizes and places of all spaces whose channels may be exchanged, on the given parameters. */
function permutations(a: ModelAnalysis, names: ReadonlySet<string>): string[] {
  return a.spaces
    .filter((s) => s.permutable)
    .map((s) => ({ size: s.size, acts: s.acts.filter((x) => names.has(x.parameter)).map(formatAddress) }))
    .filter((s) => s.acts.length > 0)
    .map((s) => `${s.size}: ${s.acts.sort().join(" ")}`)
    .sort();
}

describe("torchvision from source and from ONNX", { skip: existsSync(SOURCE) ? false : `${SOURCE} is not installed` }, () => {
  let project: PythonProject;
  before(async () => {
    project = new PythonProject(await loadPythonParser(), new DiskHost(PACKAGES));
  });

  for (const file of readdirSync(EXPORTS).filter((f) => f.endsWith(".onnx"))) {
    const name = file.replace(/\.onnx$/, "");
    it(name, () => {
      const { graph } = readOnnx({ path: path.join(EXPORTS, file) });
      const inputs = graph.inputs.map(({ shape }) => ({ shape }));
      const model = project.analyseNamed(path.join(SOURCE, `${FILES[name]}.py`), name, { inputs });
      assert.deepEqual(model.opaque, []);
      const names = new Set([...graph.parameters.keys()]);
      const [fromSource, fromExport] = [model.graph, graph].map((g) => analyse(g, { numeric: false }));
      assert.deepEqual(permutations(fromSource!, names), permutations(fromExport!, names));
    });
  }
});
