// The folder that the tests in VS Code and the screenshots open: a copy, so that they may change it.
import { cpSync, existsSync, mkdirSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
const FIXTURES = [
  "zoo/zoo.py",
  "zoo/onnx/MlpRelu.onnx",
  "zoo/onnx/PreLnTransformer.onnx",
  "models/resnet18.onnx",
  "models/resnet50.onnx",
];
/** Read where Debian's python3-torchvision is installed. */
const TORCHVISION = "/usr/lib/python3/dist-packages/torchvision/models";

/** Makes the workspace in a new folder and returns that. */
export function testWorkspace(folder) {
  mkdirSync(folder, { recursive: true });
  cpSync(path.join(root, "test", "fixtures", "ws"), folder, { recursive: true });
  for (const fixture of FIXTURES) cpSync(path.join(root, "testFixtures", fixture), path.join(folder, path.basename(fixture)));
  for (const name of ["resnet.py", "vgg.py"]) {
    const source = path.join(TORCHVISION, name);
    if (existsSync(source)) cpSync(source, path.join(folder, `torchvision_${name}`));
  }
  return folder;
}
