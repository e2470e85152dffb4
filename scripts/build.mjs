// Bundles everything that ships into dist/, and the integration tests into out/test/.
//   node scripts/build.mjs [--production] [--target=linux-x64 | universal]
// dist/extension.js  VS Code client            dist/cli.js     the command `noether`
// dist/server.js     language server           dist/worker.js  child process that runs ONNX Runtime
// dist/analysis.js   child process that analyses documents for the server
// dist/layout.js     child process that places the boxes of drawn networks
// dist/twin-worker.js  child process that looks at small copies of large models
// dist/probe.js      child process that trains
// dist/probe-session.js  child process that runs a probe for the server
// dist/webview/      scripts and styles of pages in VS Code
// dist/ort/          ONNX Runtime's native files, of the target platform only; or else
// dist/ort-web/      its WebAssembly build
// dist/*.wasm        the Python parser
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { build } from "esbuild";

const require = createRequire(import.meta.url);
const root = path.resolve(import.meta.dirname, "..");
process.chdir(root);
const production = process.argv.includes("--production");
const target = process.argv.find((a) => a.startsWith("--target="))?.slice(9) ?? `${process.platform}-${process.arch}`;
const [platform, arch = ""] = target.split("-");

/** Bytes of a script or style sheet of a page; what is larger is felt when it opens. */
const LARGEST_PAGE = 300_000;

/** The folder of an installed package. */
function packageFolder(name) {
  return path.join(root, "node_modules", name);
}

// onnxruntime-node loads its native binding by a computed path in its own folder; the bundle loads it from dist/ort/.
const ort = {
  name: "onnxruntime-native",
  setup(pluginBuild) {
    pluginBuild.onLoad({ filter: /onnxruntime-node[\\/]dist[\\/]binding\.js$/ }, ({ path: file }) => {
      const source = readFileSync(file, "utf8");
      const contents = source.replace("require(`../bin/napi-v6/", "__nativeRequire(`./ort/");
      if (contents === source) throw new Error(`${file} loads its binding in a new way: adapt the plugin in scripts/build.mjs`);
      return { contents, loader: "js" };
    });
  },
};

const common = {
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  sourcemap: production ? false : "linked",
  minify: production,
  logLevel: "warning",
  metafile: true,
};
// Bundles are CommonJS; ES modules inside them ask where they are.
const bundle = {
  ...common,
  plugins: [ort],
  define: { "import.meta.url": "__importMetaUrl", "import.meta.dirname": "__dirname", "import.meta.filename": "__filename" },
};
const preamble = [
  'const __importMetaUrl = require("node:url").pathToFileURL(__filename).href;',
  "const __nativeRequire = require('node:module').createRequire(__filename);",
].join("\n");

rmSync("dist", { recursive: true, force: true });
mkdirSync("dist/ort", { recursive: true });
const results = await Promise.all([
  build({ ...common, entryPoints: { extension: "client/extension.ts" }, outdir: "dist", external: ["vscode"] }),
  build({
    ...bundle,
    entryPoints: {
      server: "server/main.ts",
      analysis: "server/worker/main.ts",
      layout: "server/worker/layout.ts",
      worker: "analysis/runtime/worker.ts",
      "twin-worker": "analysis/certification/twin-worker.ts",
      probe: "analysis/probe/worker/main.ts",
      "probe-session": "server/probe/main.ts",
    },
    outdir: "dist",
    banner: { js: preamble },
  }),
  build({
    ...common,
    platform: "browser",
    format: "esm",
    target: "es2022",
    entryPoints: {
      probe: "client/webview/probe/main.ts",
      "probe-style": "client/webview/probe/panel.css",
      onnx: "client/webview/onnx/view.ts",
      "onnx-style": "client/webview/onnx/view.css",
    },
    outdir: "dist/webview",
  }),
  build({
    ...bundle,
    entryPoints: { cli: "analysis/cli/main.ts" },
    outdir: "dist",
    banner: { js: `#!/usr/bin/env node\n${preamble}` },
  }),
]);
chmodSync("dist/cli.js", 0o755);
for (const file of readdirSync("dist/webview").filter((f) => !f.endsWith(".map"))) {
  const size = statSync(path.join("dist/webview", file)).size;
  if (size > LARGEST_PAGE) throw new Error(`dist/webview/${file} has ${size} bytes; pages have at most ${LARGEST_PAGE}`);
}

const native = path.join(packageFolder("onnxruntime-node"), "bin", "napi-v6", platform, arch);
if (existsSync(native)) {
  for (const file of readdirSync(native)) {
    // Providers for CUDA and TensorRT are downloads that this machine may have made; they do not ship. On macOS the library
    // is there twice, and the binding loads the name with the major version only.
    if (!/cuda|tensorrt|\.\d+\.\d+\.\d+\.dylib$/i.test(file))
      cpSync(path.join(native, file), path.join("dist", "ort", platform, arch, file));
  }
} else {
  // The universal package, and platforms that onnxruntime-node does not know: its WebAssembly build.
  for (const extension of ["mjs", "wasm"]) {
    const file = `ort-wasm-simd-threaded.${extension}`;
    cpSync(path.join(packageFolder("onnxruntime-web"), "dist", file), path.join("dist", "ort-web", file));
  }
}
cpSync(path.join(packageFolder("web-tree-sitter"), "web-tree-sitter.wasm"), "dist/tree-sitter.wasm");
cpSync(path.join(packageFolder("tree-sitter-python"), "tree-sitter-python.wasm"), "dist/tree-sitter-python.wasm");
writeFileSync("dist/THIRD_PARTY_NOTICES.txt", notices(results.flatMap((r) => Object.keys(r.metafile.inputs))));

if (!production) {
  const tests = readdirSync("test/integration", { recursive: true }).filter((f) => f.endsWith(".ts"));
  rmSync("out/test", { recursive: true, force: true });
  await build({
    ...common,
    entryPoints: tests.map((f) => `test/integration/${f}`),
    outdir: "out/test",
    external: ["vscode", "mocha"],
  });
}

/** The licences of everything bundled, as those licences ask. */
function notices(inputs) {
  const names = new Set(["onnxruntime-node", "tree-sitter-python"]);
  for (const input of inputs) {
    const match = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input.replaceAll("\\", "/"));
    if (match) names.add(match[1]);
  }
  return [...names]
    .sort()
    .map((name) => {
      const folder = packageFolder(name);
      const { version, license } = require(path.join(folder, "package.json"));
      const files = readdirSync(folder).filter((f) => /^(licen[cs]e|notice|thirdpartynotices)/i.test(f));
      const texts = files.map((f) => readFileSync(path.join(folder, f), "utf8").trim());
      return [`${name} ${version} (${license})`, ...texts].join("\n\n");
    })
    .join(`\n\n${"-".repeat(80)}\n\n`);
}
