// The folder that the tests in VS Code and the screenshots open: a copy, so that they may change it.
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
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

/** Configurations of the folders of the workspace of several; undefined is a folder without one. */
const FOLDERS = {
  strict: '[rules]\nbias-before-norm = "error"\n',
  quiet: '[rules]\nbias-before-norm = "off"\n',
  plain: undefined,
};

/** Makes a workspace of several folders with the same model in a new folder, and returns its file. */
export function testFolders(folder) {
  for (const [name, configuration] of Object.entries(FOLDERS)) {
    mkdirSync(path.join(folder, name), { recursive: true });
    cpSync(path.join(root, "test", "fixtures", "ws", "net.py"), path.join(folder, name, "net.py"));
    if (configuration !== undefined) writeFileSync(path.join(folder, name, "noether.toml"), configuration);
  }
  const file = path.join(folder, "several.code-workspace");
  writeFileSync(file, JSON.stringify({ folders: Object.keys(FOLDERS).map((name) => ({ path: name, name })) }));
  return file;
}
