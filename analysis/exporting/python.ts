/** @file Runs the export in the user's Python: a process of its own, with a time limit, that can be ended at any moment. */
import { spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { EXPORT_SCRIPT, type ExportAnswer, type ExportOrder } from "./script";

/** Why an export came to nothing; `detail` is a traceback or what Python wrote last. */
export class ExportFailure extends Error {
  override readonly name = "ExportFailure";
  constructor(
    message: string,
    readonly detail?: string,
  ) {
    super(message);
  }
}

/** How an export is run. */
export interface ExportRun {
  /** The interpreter. */
  readonly python: string;
  /** Milliseconds. */
  readonly timeLimit: number;
  readonly signal?: AbortSignal;
  /** Told the command before it runs. */
  readonly onCommand?: (command: readonly string[]) => void;
}

/** Characters of what Python writes that are kept. */
const KEPT = 4_000;

/**
 * Exports a model. The folder that the program runs in is the root of the user's imports, as if they ran it.
 * @throws ExportFailure when Python cannot be started, the user's code throws, or time is up; the signal's reason
 */
export async function runExport(
  order: Omit<ExportOrder, "answer">,
  { onCommand, python, signal, timeLimit }: ExportRun,
): Promise<Extract<ExportAnswer, { readonly ok: true }>> {
  signal?.throwIfAborted();
  const scratch = mkdtempSync(path.join(tmpdir(), "noether-export-"));
  const script = path.join(scratch, "noether-export.py");
  const answer = path.join(scratch, "answer.json");
  writeFileSync(script, EXPORT_SCRIPT);
  const args = [script];
  try {
    onCommand?.([python, ...args]);
    signal?.throwIfAborted();
    const written = await new Promise<string>((resolve, reject) => {
      const child = spawn(python, args, {
        cwd: order.root,
        stdio: ["pipe", "pipe", "pipe"],
        env: exportEnvironment(),
        windowsHide: true,
      });
      let said = "";
      const keep = (chunk: Buffer): void => {
        said = (said + chunk.toString()).slice(-KEPT);
      };
      const end = (reason: unknown): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        child.kill("SIGKILL");
        reject(reason);
      };
      const abort = (): void => end(signal!.reason);
      const seconds = Math.round(timeLimit / 1000);
      const timer = setTimeout(
        () => end(new ExportFailure(`the export took longer than ${seconds} s and was ended`, said)),
        timeLimit,
      );
      signal?.addEventListener("abort", abort, { once: true });
      child.stdout.on("data", keep);
      child.stderr.on("data", keep);
      child.on("error", (error) =>
        end(
          new ExportFailure(
            `${python} cannot be started: ${error.message}. Name the Python of the project (--python, or the setting noether.python.interpreter).`,
          ),
        ),
      );
      child.on("close", () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        resolve(said);
      });
      // The program is told what to do on its standard input, which stays open as long as somebody waits for it.
      child.stdin.on("error", () => {});
      child.stdin.write(`${JSON.stringify({ ...order, answer })}\n`);
    });
    return readAnswer(answer, written, order.call);
  } finally {
    rmSync(scratch, { recursive: true, force: true, maxRetries: 3 });
  }
}

function readAnswer(file: string, written: string, call: string): Extract<ExportAnswer, { readonly ok: true }> {
  let answer: ExportAnswer;
  try {
    answer = JSON.parse(readFileSync(file, "utf8")) as ExportAnswer;
  } catch {
    throw new ExportFailure("Python ended without an answer", written.trim() || undefined);
  }
  if (answer.ok) return answer;
  const { message, stage, traceback } = answer;
  if (stage === "import" && /No module named '(torch|onnx)'/.test(message)) {
    throw new ExportFailure(
      `this Python has no ${/'(\w+)'/.exec(message)![1]}: choose the one that the project trains with`,
      traceback,
    );
  }
  const what =
    { import: "importing the file", make: `${call}`, forward: "calling the model", export: "torch.onnx.export" }[stage] ?? stage;
  throw new ExportFailure(`${what} failed: ${message}`, traceback);
}

/** The environment of the export: no GPU is needed, and a log must come at once. */
function exportEnvironment(): NodeJS.ProcessEnv {
  const { ELECTRON_RUN_AS_NODE: _, ...environment } = process.env;
  return { ...environment, CUDA_VISIBLE_DEVICES: "", PYTHONUNBUFFERED: "1", PYTHONDONTWRITEBYTECODE: "1" };
}

/** The interpreter of the active virtual environment, of the project's own, or on the path. */
export function findPython(folder: string, environment: Readonly<Record<string, string | undefined>>): string {
  const bin = process.platform === "win32" ? path.join("Scripts", "python.exe") : path.join("bin", "python");
  const active = environment["VIRTUAL_ENV"] ?? environment["CONDA_PREFIX"];
  const candidates = active === undefined ? [] : [path.join(active, bin)];
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    candidates.push(path.join(at, ".venv", bin), path.join(at, "venv", bin));
    if (path.dirname(at) === at) break;
  }
  return candidates.find(isExecutable) ?? (process.platform === "win32" ? "python" : "python3");
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
