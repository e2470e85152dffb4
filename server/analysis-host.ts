/**
 * @file Owns the processes that analyse. One answers at typing speed. Certifying takes seconds and must not stand in the
 * way of that, nor the Python files in the background in the way of the .onnx file that somebody looks at.
 */
import { LayoutHost } from "./layout-host";
import type {
  DocumentAnalysis,
  DocumentStructure,
  DrawnFile,
  Fix,
  Layout,
  LayoutRequest,
  LintSettings,
  OnnxTextView,
  SourceMatch,
  SourceRange,
} from "./protocol";
import type { AnalysisCall } from "./worker/messages";
import { OccasionalProcess } from "./worker/occasional";
import { AnalysisProcess, type WorkerModule } from "./worker/process";

/** A document as the analysis takes it: Python with its text, ONNX by its path. */
export type AnalysisInput =
  | { readonly kind: "python"; readonly path: string; readonly text: string; readonly settings: LintSettings }
  | { readonly kind: "onnx"; readonly path: string; readonly settings: LintSettings };

/** Limits in milliseconds, after which a process is taken to hang and is ended. */
export interface TimeLimits {
  /** For a short document; a long one has more. */
  readonly analyse: number;
  readonly certify: number;
  /** For what nobody waits for any more. */
  readonly grace: number;
}

const LIMITS: TimeLimits = { analyse: 30_000, certify: 180_000, grace: 5_000 };

/** Certifying fills memory and keeps all cores busy: who is in the middle of it when it has become pointless goes sooner. */
const CERTIFIER_GRACE = 500;

/** Characters of text for which a document has the time of a short one once more. */
const CHARACTERS_PER_LIMIT = 100_000;

/** Analyses documents outside of this process. All promises reject with `AnalysisFailure` or the signal's reason. */
export class AnalysisHost {
  readonly #quick: AnalysisProcess;
  readonly #certifiers: Readonly<Record<AnalysisInput["kind"], AnalysisProcess>>;
  readonly #limits: TimeLimits;
  readonly #layouts: LayoutHost;
  readonly #searcher: OccasionalProcess;

  /** @param layout the module of the process that lays drawings out */
  constructor(module: WorkerModule, limits: TimeLimits = LIMITS, layout: WorkerModule = module) {
    const make = (grace: number): AnalysisProcess => new AnalysisProcess(module, { grace });
    this.#quick = make(limits.grace);
    const grace = Math.min(limits.grace, CERTIFIER_GRACE);
    this.#certifiers = { python: make(grace), onnx: make(grace) };
    this.#limits = limits;
    this.#layouts = new LayoutHost(layout);
    this.#searcher = new OccasionalProcess(module, { idle: 2 * limits.certify, grace: limits.grace });
  }

  /** Starts the quick process ahead of the first request. */
  warmUp(): void {
    this.#quick.warmUp();
  }

  /** What is found; of Python files without hovers and reports, which `details` has. */
  analyse(input: AnalysisInput, signal: AbortSignal): Promise<DocumentAnalysis> {
    const call: AnalysisCall =
      input.kind === "python"
        ? { method: "analysePython", args: [input.path, input.text, input.settings, "findings"] }
        : analysisCall(input);
    return this.#quick.run({ calls: [call], signal, timeLimit: this.#limitFor(input) });
  }

  /** All that is known at once. */
  details(input: AnalysisInput, signal: AbortSignal): Promise<DocumentAnalysis> {
    return this.#quick.run({ calls: [analysisCall(input)], signal, timeLimit: this.#limitFor(input) });
  }

  /** Analyses and then certifies. */
  certify(input: AnalysisInput, signal: AbortSignal): Promise<DocumentAnalysis> {
    const calls: AnalysisCall[] = [analysisCall(input), { method: "certify", args: [input.path] }];
    return this.#certifiers[input.kind].run({ calls, signal, timeLimit: this.#limits.certify });
  }

  /** Analyses, and says where the symmetries are; once a document is certified, with what that found. */
  structure(input: AnalysisInput, certified: boolean, signal: AbortSignal): Promise<DocumentStructure> {
    const calls: AnalysisCall[] = [analysisCall(input), { method: "structure", args: [input.path] }];
    const process = certified ? this.#certifiers[input.kind] : this.#quick;
    return process.run({ calls, signal, timeLimit: this.#limitFor(input) });
  }

  /** Analyses, and says which changes of training suit a range. */
  rewrites(input: AnalysisInput, range: SourceRange, signal: AbortSignal): Promise<Fix[]> {
    const calls: AnalysisCall[] = [analysisCall(input), { method: "rewrites", args: [input.path, range] }];
    return this.#quick.run({ calls, signal, timeLimit: this.#limitFor(input) });
  }

  /** A file of 20,000 lines takes seconds, on a busy machine a minute: that is no hang. */
  #limitFor(input: AnalysisInput): number {
    return this.#limits.analyse * (1 + (input.kind === "python" ? input.text.length / CHARACTERS_PER_LIMIT : 0));
  }

  /** Analyses an .onnx file, and draws it. */
  drawing(input: AnalysisInput, signal: AbortSignal): Promise<DrawnFile | null> {
    const calls: AnalysisCall[] = [analysisCall(input), { method: "drawing", args: [input.path] }];
    return this.#quick.run({ calls, signal, timeLimit: this.#limitFor(input) });
  }

  /** Analyses an .onnx file, and writes it as text. */
  onnxText(input: AnalysisInput, signal: AbortSignal): Promise<OnnxTextView | null> {
    const calls: AnalysisCall[] = [analysisCall(input), { method: "onnxText", args: [input.path] }];
    return this.#quick.run({ calls, signal, timeLimit: this.#limitFor(input) });
  }

  /** The Python class that an .onnx file was exported from: a search that neither typing nor certifying waits for. */
  sourceOf(input: AnalysisInput, folders: readonly string[], signal: AbortSignal): Promise<SourceMatch | null> {
    const calls: AnalysisCall[] = [analysisCall(input), { method: "sourceOf", args: [input.path, folders] }];
    return this.#searcher.get().run({ calls, signal, timeLimit: this.#limits.certify });
  }

  /** Starts the process that lays drawings out ahead of the first request. */
  warmUpLayout(): void {
    this.#layouts.warmUp();
  }

  /** Places the boxes of a drawing; aborting ends the work at once. */
  layout(request: LayoutRequest, signal: AbortSignal): Promise<Layout> {
    return this.#layouts.layout(request, signal);
  }

  dispose(): void {
    this.#layouts.dispose();
    this.#searcher.dispose();
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
