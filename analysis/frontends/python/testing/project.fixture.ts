/** @file What the front end's tests share: a project over texts in memory or files on disk, and short looks at graphs. */
import { existsSync, readFileSync } from "node:fs";
import type { Graph } from "../../../graph/graph";
import type { SourceRange } from "../../../graph/source";
import { loadPythonParser, type PythonFile, type PythonParser, type PythonModel, PythonProject } from "../index";
import type { AnalyseOptions } from "../project";

let parser: PythonParser | undefined;

/** Loads the parser; call it in `before`. */
export async function prepare(): Promise<void> {
  parser ??= await loadPythonParser();
}

/** Debian's folder of installed Python packages; tests over it skip where it does not exist. */
export const SITE_PACKAGES = "/usr/lib/python3/dist-packages";

/** A project over files in memory; others are read from disk. */
export function project(
  files: Readonly<Record<string, string>> = {},
  options: AnalyseOptions = {},
  listed = Object.keys(files),
): PythonProject {
  if (!parser) throw new Error("call prepare() in before() first");
  return new PythonProject(
    parser,
    {
      read: (path) => files[path] ?? (existsSync(path) ? readFileSync(path, "utf8") : undefined),
      exists: (path) => path in files || (existsSync(path) && path.endsWith(".py")),
      list: () => listed,
      roots: [""].concat(existsSync(SITE_PACKAGES) ? [SITE_PACKAGES] : []),
    },
    options,
  );
}

const HEADER = "import math\nimport torch\nfrom torch import nn\nimport torch.nn.functional as F\n";

/** Analyses one text with the usual imports before it. */
export function analyse(source: string, options: AnalyseOptions = {}): PythonFile {
  return project({ "model.py": HEADER + source }, options).analyse("model.py");
}

/** One model of a text. Throws Error when it is not there. */
export function model(source: string, name: string, options: AnalyseOptions = {}): PythonModel {
  const file = analyse(source, options);
  const found = file.models.find((m) => m.name === name);
  if (!found)
    throw new Error(
      `${name} is not among ${file.models.map((m) => m.name).join(", ")}: ${file.problems.map((p) => p.message).join("; ")}`,
    );
  return found;
}

/** Operators of a graph in order. */
export function operatorsOf(graph: Graph): string[] {
  return graph.nodes.map((n) => n.operator);
}

/** The text of a range in a source that `analyse` was given. */
export function textAt(source: string, range: SourceRange): string {
  const lines = (HEADER + source).split("\n");
  if (range.start.line === range.end.line) return lines[range.start.line]!.slice(range.start.column, range.end.column);
  const middle = lines.slice(range.start.line + 1, range.end.line);
  return [lines[range.start.line]!.slice(range.start.column), ...middle, lines[range.end.line]!.slice(0, range.end.column)].join(
    "\n",
  );
}

/** A repeatable sequence of numbers in (-1, 1). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
