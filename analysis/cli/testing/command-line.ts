/** @file Command lines run in this process, on a folder of files that they may change. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { rules } from "../../rules/registry";
import { run } from "../run";

/** The fixtures that tests share. */
export const FIXTURES = path.resolve(import.meta.dirname, "../../../testFixtures");

/** A small ONNX model. */
export const MLP = path.join(FIXTURES, "zoo/onnx/MlpRelu.onnx");

/** The rule whose examples are the files `bad.py` and `good.py`. */
export const biasBeforeNorm = rules[0]!;

/** What a command line did. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** A folder with files that deserve a change, files that do not, and files that nobody should look at. */
export class CommandLine {
  readonly folder = mkdtempSync(path.join(tmpdir(), "noether-cli-"));

  constructor() {
    const { bad, good } = biasBeforeNorm.examples;
    this.write("bad.py", bad);
    this.write("good.py", good);
    this.write("src/deep/bad.py", bad);
    this.write("src/notes.txt", "");
    this.write("node_modules/x/bad.py", bad);
    this.write("sandbox/pyvenv.cfg", "");
    this.write("sandbox/lib/bad.py", bad);
    this.write("broken/model.onnx", "no model");
    this.write("syntax.py", "def f(:\n");
    symlinkSync(this.folder, path.join(this.folder, "src", "loop"));
  }

  /** Writes a file below the folder. */
  write(name: string, text: string): void {
    const file = path.join(this.folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  /** Runs a command line, as it would be typed behind `noether`. */
  readonly run = async (...args: string[]): Promise<Outcome> => {
    let out = "";
    let error = "";
    const code = await run(args, {
      out: (text) => (out += `${text}\n`),
      error: (text) => (error += `${text}\n`),
      isTTY: false,
      columns: undefined,
      environment: { NOETHER_CACHE_DIR: path.join(this.folder, "cache") },
    });
    return { code, out, error };
  };

  /** Removes the folder. */
  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
