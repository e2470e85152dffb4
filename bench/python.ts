/** @file Python source: an edit in a long file, a folder from cold, an environment of thousands of files. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { loadPythonParser, type PythonParser, PythonProject } from "../analysis/frontends/python/index";
import { DiskHost } from "../analysis/service/python-host";
import { createAnalysisService } from "../analysis/service/service";
import { type Row, type Section, timed } from "./report";
import { summary, time } from "./timing";

const GPT = "testFixtures/python/gpt/model.py";
const PACKAGES = "/usr/lib/python3/dist-packages";
const EDITS = 60;

/** A model file of at least a thousand lines: the GPT of the fixtures again and again, under other names. */
export function longFile(): string {
  const [head, ...classes] = readFileSync(GPT, "utf8").split(/(?=^@dataclass|^class )/m);
  const body = classes.join("");
  const names = [...body.matchAll(/^class (\w+)/gm)].map((m) => m[1]!);
  let out = head!;
  for (let copy = 0; out.split("\n").length < 1000; copy++) {
    out += body.replace(new RegExp(`\\b(?:${names.join("|")})\\b`, "g"), (name) => `${name}${copy}`);
  }
  return out;
}

/** Python sections of the benchmark. */
export async function pythonSection(): Promise<Section> {
  const parser = await loadPythonParser();
  return {
    title: "Python source",
    rows: [...editing(parser), ...(await service()), ...torchvision(parser), environment(parser)],
  };
}

/** The text after the n-th of a series of one-character edits: an epsilon in a norm in the middle of the file. */
function edited(text: string, n: number): string {
  const at = text.indexOf("1e-5", text.length / 2) + 3;
  return `${text.slice(0, at)}${(n % 8) + 1}${text.slice(at + 1)}`;
}

function editing(parser: PythonParser): Row[] {
  const text = longFile();
  const project = new PythonProject(parser, { read: () => undefined });
  project.update("long.py", text);
  const begin = performance.now();
  const { models } = project.analyse("long.py");
  const first = performance.now() - begin;
  const times: number[] = [];
  for (let n = 0; n < EDITS; n++) {
    const start = performance.now();
    project.update("long.py", edited(text, n));
    project.analyse("long.py");
    times.push(performance.now() - start);
  }
  const lines = text.split("\n").length;
  return [
    { what: `models of ${lines} lines, first time`, value: first, unit: "ms", note: `${models.length} models` },
    timed("after an edit of one character", summary(times), { target: 30, note: "the class and those that hold it" }),
  ];
}

/** The same edits as the editor sees them: findings while somebody types, hovers and reports of all models when they are asked for. */
async function service(): Promise<Row[]> {
  const text = longFile();
  const answering = createAnalysisService();
  try {
    await answering.analysePython("/nowhere/long.py", text);
    const times = { findings: [] as number[], all: [] as number[] };
    for (let n = 0; n < EDITS; n++) {
      const scope = n % 2 === 0 ? "findings" : "all";
      const start = performance.now();
      await answering.analysePython("/nowhere/long.py", edited(text, n), undefined, scope);
      times[scope].push(performance.now() - start);
    }
    const moves: number[] = [];
    for (let n = 0; n < EDITS / 2; n++) {
      const start = performance.now();
      await answering.analysePython("/nowhere/long.py", "\n".repeat((n % 5) + 1) + text, undefined, "findings");
      moves.push(performance.now() - start);
    }
    return [
      timed("the same, to findings", summary(times.findings), { target: 30 }),
      timed("a line added above everything, to findings", summary(moves), { target: 30, note: "all places move" }),
      timed("the same, to findings, hovers and reports", summary(times.all), {}),
    ];
  } finally {
    answering.dispose();
  }
}

function torchvision(parser: PythonParser): Row[] {
  const folder = path.join(PACKAGES, "torchvision", "models");
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((f) => f.endsWith(".py"));
  let models = 0;
  const timing = time(
    () => {
      const project = new PythonProject(parser, new DiskHost(PACKAGES));
      models = files.reduce((n, f) => n + project.analyse(path.join(folder, f)).models.length, 0);
    },
    { runs: 3, warmUp: 0, limit: 20_000 },
  );
  return [
    timed("torchvision's models folder from cold", timing, { target: 2000, note: `${files.length} files, ${models} models` }),
  ];
}

/** An environment with thousands of files, of which a model imports one or none. */
function environment(parser: PythonParser): Row {
  const folder = mkdtempSync(path.join(os.tmpdir(), "noether-bench-"));
  try {
    const packages = path.join(folder, ".venv", "lib", "python3.11", "site-packages");
    for (let p = 0; p < 30; p++) {
      mkdirSync(path.join(packages, `package${p}`), { recursive: true });
      for (let f = 0; f < 100; f++)
        writeFileSync(path.join(packages, `package${p}`, f === 0 ? "__init__.py" : `m${f}.py`), "X = 1\n");
    }
    writeFileSync(path.join(folder, ".venv", "pyvenv.cfg"), "home = /usr/bin\n");
    writeFileSync(path.join(folder, "pyproject.toml"), "");
    const text = readFileSync(GPT, "utf8");
    const run = (): number => {
      const project = new PythonProject(parser, new DiskHost(folder));
      const start = performance.now();
      project.update(path.join(folder, "model.py"), text);
      project.analyse(path.join(folder, "model.py"));
      return performance.now() - start;
    };
    run();
    const beside = summary(Array.from({ length: 9 }, run));
    rmSync(path.join(folder, ".venv"), { recursive: true });
    run();
    const alone = summary(Array.from({ length: 9 }, run));
    const value = beside.best - alone.best;
    return {
      what: "3,000 installed files that nothing imports",
      value,
      unit: "ms",
      target: 5,
      note: `added to ${alone.best.toFixed(0)} ms`,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
