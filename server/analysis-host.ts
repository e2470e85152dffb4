/**
 * @file Owns the processes that analyse. One answers at typing speed. Certifying takes seconds and must not stand in the
 * way of that, nor the Python files in the background in the way of the .onnx file that somebody looks at.
 */
import type { DocumentAnalysis, DocumentStructure, LintSettings } from "./protocol";
import type { AnalysisCall } from "./worker/messages";
import { AnalysisProcess, type WorkerModule } from "./worker/process";

/** A document as the analysis takes it: Python with its text, ONNX by its path. */
export type AnalysisInput =
  | { readonly kind: "python"; readonly path: string; readonly text: string; readonly settings: LintSettings }
  | { readonly kind: "onnx"; readonly path: string; readonly settings: LintSettings };

/** Limits in milliseconds, after which a process is taken to hang and is ended. */
export interface TimeLimits {
  readonly analyse: number;
  readonly certify: number;
  /** For what nobody waits for any more. */
  readonly grace: number;
}

const LIMITS: TimeLimits = { analyse: 30_000, certify: 180_000, grace: 5_000 };

/** Analyses documents outside of this process. All promises reject with `AnalysisFailure` or the signal's reason. */
export class AnalysisHost {
  readonly #quick: AnalysisProcess;
  readonly #certifiers: Readonly<Record<AnalysisInput["kind"], AnalysisProcess>>;
  readonly #limits: TimeLimits;

  constructor(module: WorkerModule, limits: TimeLimits = LIMITS) {
    const make = (): AnalysisProcess => new AnalysisProcess(module, { grace: limits.grace });
    this.#quick = make();
    this.#certifiers = { python: make(), onnx: make() };
    this.#limits = limits;
  }

  /** Starts the quick process ahead of the first request. */
  warmUp(): void {
    this.#quick.warmUp();
  }

  analyse(input: AnalysisInput, signal: AbortSignal): Promise<DocumentAnalysis> {
    return this.#quick.run({
      calls: [analysisCall(input)],
      signal,
      timeLimit: this.#limits.analyse,
    }) as Promise<DocumentAnalysis>;
  }

  /** Analyses and then certifies. */
  certify(input: AnalysisInput, signal: AbortSignal): Promise<DocumentAnalysis> {
    const calls: AnalysisCall[] = [analysisCall(input), { method: "certify", args: [input.path] }];
    const run = this.#certifiers[input.kind].run({ calls, signal, timeLimit: this.#limits.certify });
    return run as Promise<DocumentAnalysis>;
  }

  /** Analyses, and says where the symmetries are; once a document is certified, with what that found. */
  structure(input: AnalysisInput, certified: boolean, signal: AbortSignal): Promise<DocumentStructure> {
    const calls: AnalysisCall[] = [analysisCall(input), { method: "structure", args: [input.path] }];
    const process = certified ? this.#certifiers[input.kind] : this.#quick;
    return process.run({ calls, signal, timeLimit: this.#limits.analyse }) as Promise<DocumentStructure>;
  }

  dispose(): void {
    this.#quick.dispose();
    this.#certifiers.python.dispose();
    this.#certifiers.onnx.dispose();
  }
}

function analysisCall(input: AnalysisInput): AnalysisCall {
  return input.kind === "python"
    ? { method: "analysePython", args: [input.path, input.text, input.settings] }
    : { method: "analyseOnnx", args: [input.path, input.settings] };
}
