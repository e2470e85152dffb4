/**
 * @file What somebody who types feels: the bundled server with a file of a thousand lines, edited twenty times a second; and
 * the command line from cold. Pyright and ruff (in WebAssembly) do the same on the same file where npm can fetch them.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { type Insertion, LanguageClient } from "./language-client";
import { longFile } from "./python";
import { type Row, type Section, timed } from "./report";
import { summary, type Timing } from "./timing";

const SERVER = path.resolve("dist", "server.js");
const CLI = path.resolve("dist", "cli.js");
const PEERS = path.resolve("out", "bench", "peers");
const PEER_PACKAGES = ["pyright@1.1.414", "@astral-sh/ruff-wasm-nodejs@0.17.3"] as const;
const EDITS = 200;
const SERIES = 10;
/** Milliseconds between two edits. */
const PACE = 50;
const SMALL = "testFixtures/python/demo.py";

/** What a series types at the end of the file: a model with a bias that its norm removes. */
const typed = (series: number): string =>
  [
    "",
    `class Typed${series}(nn.Module):`,
    "    def __init__(self, width: int) -> None:",
    "        super().__init__()",
    "        self.conv = nn.Conv2d(3, width, 3)",
    "        self.norm = nn.BatchNorm2d(width)",
    "",
    "    def forward(self, x):",
    "        return self.norm(self.conv(x))",
    "",
  ].join("\n");

/** The editor's part of the benchmark. */
export async function editorSection(): Promise<Section> {
  if (!existsSync(SERVER)) throw new Error("dist/server.js is missing: npm run build");
  const folder = mkdtempSync(path.join(os.tmpdir(), "noether-editor-"));
  try {
    const file = path.join(folder, "long.py");
    const text = longFile();
    writeFileSync(file, text);
    const own = await typing([SERVER, "--stdio"], file, text, SERIES);
    const peers = fetchPeers();
    const lines = text.split("\n").length;
    const rows: Row[] = [
      { what: `server start to the first diagnostics of ${lines} lines`, value: own.start, unit: "ms", target: 1000 },
      timed(`last of ${EDITS} edits, 20 a second, to its diagnostics`, own.last, {
        target: 100,
        note: `${SERIES} series; ${own.stale} stale or wrong answers`,
      }),
      ...memoryRow(own.memory),
    ];
    if (peers) {
      const server = path.join(PEERS, "node_modules", "pyright", "langserver.index.js");
      const pyright = await typing([server, "--stdio"], file, text, 1);
      rows.push(
        { what: "pyright: start to the first diagnostics", value: pyright.start, unit: "ms" },
        timed("pyright: last edit to its diagnostics", pyright.last, { note: "it waits for a pause in the typing" }),
        timed("ruff in WebAssembly: a check of the file", ruff(text)),
      );
    }
    rows.push(timed("command line from cold, a small file", cold([CLI, "check", "--no-cache", SMALL]), { target: 350 }));
    if (peers) {
      const index = path.join(PEERS, "node_modules", "pyright", "index.js");
      rows.push(timed("pyright from cold, the same file", cold([index, SMALL], 3)));
      rows.push(timed("ruff in WebAssembly from cold, the same file", cold(["-e", RUFF_FROM_COLD])));
    }
    return { title: "Editor and command line", rows };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Typing {
  readonly start: number;
  /** Last edit of each series to the diagnostics of its text. */
  readonly last: Timing;
  /** Series whose last answer was not that of the text. */
  readonly stale: number;
  readonly memory: { readonly early: number; readonly late: number } | undefined;
}

async function typing(args: readonly string[], file: string, text: string, series: number): Promise<Typing> {
  const uri = pathToFileURL(file).href;
  const begin = performance.now();
  const client = await LanguageClient.open(args, pathToFileURL(path.dirname(file)).href, uri, text);
  try {
    const first = await client.answer(1);
    const start = first.at - begin;
    const place = { line: text.split("\n").length - 1, character: text.split("\n").at(-1)!.length };
    const times: number[] = [];
    let stale = 0;
    let early: number | undefined;
    let found = first.diagnostics.filter((d) => d.code === "bias-before-norm").length;
    for (let k = 0; k < series; k++) {
      const version = await type(client, typed(k), place);
      const sent = performance.now();
      const { diagnostics, at } = await client.answer(version);
      times.push(at - sent);
      const now = diagnostics.filter((d) => d.code === "bias-before-norm").length;
      // Every series writes one more bias in front of a norm.
      if (now !== found + 1) stale++;
      found = now;
      early ??= client.memory();
    }
    const late = client.memory();
    return {
      start,
      last: summary(times),
      stale,
      memory: early === undefined || late === undefined ? undefined : { early, late },
    };
  } finally {
    await client.close();
  }
}

/** Types a text in EDITS pieces at the place given, which moves along; returns the version of the last edit. */
async function type(client: LanguageClient, text: string, place: { line: number; character: number }): Promise<number> {
  let version = 0;
  for (let n = 0; n < EDITS; n++) {
    const [from, to] = [n, n + 1].map((i) => Math.floor((i * text.length) / EDITS)) as [number, number];
    const insertion: Insertion = { ...place, text: text.slice(from, to) };
    if (n > 0) await new Promise((resolve) => setTimeout(resolve, PACE));
    version = client.edit(insertion);
    const pieces = insertion.text.split("\n");
    place.character = pieces.length > 1 ? pieces.at(-1)!.length : place.character + insertion.text.length;
    place.line += pieces.length - 1;
  }
  return version;
}

function memoryRow(memory: Typing["memory"]): Row[] {
  if (!memory) return [];
  const mb = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  return [
    {
      what: `memory gained from edit ${EDITS} to edit ${EDITS * SERIES}`,
      value: (memory.late - memory.early) / 1e6,
      unit: "MB",
      note: `server and its processes, ${mb(memory.early)} to ${mb(memory.late)}`,
    },
  ];
}

/** Fetches what we are compared with into out/bench; false where npm cannot. */
function fetchPeers(): boolean {
  const index = path.join(PEERS, "node_modules", "pyright", "index.js");
  if (existsSync(index)) return true;
  mkdirSync(PEERS, { recursive: true });
  const { status } = spawnSync("npm", ["install", "--no-save", "--ignore-scripts", "--prefix", PEERS, ...PEER_PACKAGES], {
    stdio: "ignore",
    shell: process.platform === "win32",
  });
  if (status !== 0) console.error("bench: pyright and ruff cannot be fetched from npm: their lines are left out");
  return status === 0;
}

interface RuffModule {
  readonly Workspace: {
    new (options: unknown, encoding: number): { check(text: string): unknown };
    defaultSettings(): unknown;
  };
}

function ruff(text: string): Timing {
  const { Workspace } = createRequire(path.join(PEERS, "x.js"))("@astral-sh/ruff-wasm-nodejs") as RuffModule;
  const workspace = new Workspace(Workspace.defaultSettings(), 1);
  const times: number[] = [];
  for (let n = 0; n < 12; n++) {
    const begin = performance.now();
    workspace.check(text);
    times.push(performance.now() - begin);
  }
  return summary(times.slice(2));
}

const RUFF_FROM_COLD = `const { Workspace } = require(${JSON.stringify(path.join(PEERS, "node_modules", "@astral-sh", "ruff-wasm-nodejs"))});
new Workspace(Workspace.defaultSettings(), 1).check(require("node:fs").readFileSync(${JSON.stringify(SMALL)}, "utf8"));`;

/** A command from its start to its end. */
function cold(args: readonly string[], runs = 9): Timing {
  const times: number[] = [];
  for (let n = 0; n <= runs; n++) {
    const begin = performance.now();
    spawnSync(process.execPath, args, { stdio: "ignore" });
    // The first one reads the files from disk.
    if (n > 0) times.push(performance.now() - begin);
  }
  return summary(times);
}
