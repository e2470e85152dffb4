/**
 * @file The current analysis of each open document: made once per version whoever asks, replaced by a certified one when
 * the document has been left alone. Features read from here.
 */
import { EventEmitter } from "node:events";
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { AnalysisHost, AnalysisInput } from "./analysis-host";
import type { DocumentAnalysis, DocumentStructure, Fix, Settings, SourceRange } from "./protocol";
import { pathOf } from "./uris";
import { AnalysisFailure } from "./worker/process";

/** One version of one document, analysed. */
export interface Analysed {
  readonly uri: string;
  readonly version: number;
  readonly analysis: DocumentAnalysis;
  /** Whether the claims have been checked numerically. */
  readonly certified: boolean;
  /** Why there is nothing: the analysis broke off. */
  readonly failure?: AnalysisFailure;
}

/** What happens to analyses, for the status and the log. */
export interface AnalysisEvents {
  start: [uri: string, what: "analysing" | "certifying"];
  done: [analysed: Analysed];
  failed: [uri: string, failure: AnalysisFailure];
  /** No result is wanted any more: the document changed or was closed. */
  dropped: [uri: string];
}

interface Slot {
  document: TextDocument;
  /** When the text last changed, on the clock of `performance.now`. */
  changed: number;
  /** Aborted when the text changes, the document closes or a file that it may depend on changes. */
  current: AbortController;
  result: Promise<Analysed> | undefined;
  structure: Promise<DocumentStructure> | undefined;
  /** The analysis with hovers and reports. */
  details: Promise<DocumentAnalysis> | undefined;
  certified: Analysed | undefined;
  idle: NodeJS.Timeout | undefined;
  milliseconds: number;
}

/** How long a document must be left alone before its claims are certified. */
const IDLE = 1_000;
const SHORTEST_DEBOUNCE = 15;
const LONGEST_DEBOUNCE = 250;

/** Analyses by URI. Knows nothing of the protocol but URIs and versions. */
export class Analyses extends EventEmitter<AnalysisEvents> {
  readonly #host: AnalysisHost;
  readonly #settings: (uri: string) => Promise<Settings>;
  readonly #slots = new Map<string, Slot>();
  /** Documents that are parts of others: cells and their notebooks. */
  readonly #wholes = new Map<string, { readonly whole: string; readonly part: TextDocument }>();

  /** `settings`: those in force for a document. */
  constructor(host: AnalysisHost, settings: (uri: string) => Promise<Settings>) {
    super();
    this.#host = host;
    this.#settings = settings;
  }

  /** A document was opened or its text changed. */
  update(document: TextDocument): void {
    const slot = this.#slots.get(document.uri);
    this.#drop(slot);
    this.#slots.set(document.uri, {
      document,
      changed: performance.now(),
      current: new AbortController(),
      result: undefined,
      structure: undefined,
      details: undefined,
      certified: undefined,
      idle: undefined,
      milliseconds: slot?.milliseconds ?? 0,
    });
  }

  /** Makes a document a part of another one: its analysis is that of the whole. */
  join(part: TextDocument, whole: string): void {
    this.#wholes.set(part.uri, { whole, part });
  }

  /** Ends what `join` began. */
  part(uri: string): void {
    this.#wholes.delete(uri);
  }

  /** Documents that are parts of the given one. */
  partsOf(whole: string): string[] {
    return [...this.#wholes].filter(([, w]) => w.whole === whole).map(([uri]) => uri);
  }

  #slot(uri: string): Slot | undefined {
    return this.#slots.get(this.#wholes.get(uri)?.whole ?? uri);
  }

  close(uri: string): void {
    this.#drop(this.#slots.get(uri));
    this.#slots.delete(uri);
  }

  /**
   * Files that documents may depend on changed, or settings: they are analysed anew when asked for, all but those that
   * `spare` names.
   */
  invalidate(spare: (uri: string) => boolean = () => false): void {
    for (const slot of this.#slots.values()) if (!spare(slot.document.uri)) this.update(slot.document);
  }

  /**
   * The analysis of the document's present text, undefined for documents that are not open. Rejects with the signal's
   * reason when it is aborted or the text changes meanwhile; a broken analysis resolves, with `failure`.
   */
  async get(uri: string, signal: AbortSignal): Promise<Analysed | undefined> {
    const slot = this.#slot(uri);
    if (!slot) return undefined;
    if (!slot.result) {
      slot.result = this.#analyse(slot);
      // Whoever waits sees the rejection; when nobody waits any more it is no news.
      slot.result.catch(() => {});
    }
    const result = await abortable(slot.result, signal);
    const analysed = slot.certified ?? result;
    const part = this.#wholes.get(uri)?.part;
    return part ? { ...analysed, uri, version: part.version } : analysed;
  }

  /** The analysis with hovers and reports, which nobody waits for while typing; undefined for documents that are not open. Rejects as `get`. */
  async details(uri: string, signal: AbortSignal): Promise<DocumentAnalysis | undefined> {
    const slot = this.#slot(uri);
    if (!slot) return undefined;
    if (slot.certified) return slot.certified.analysis;
    if (!slot.details) {
      slot.details = this.#input(slot).then((input) => this.#host.details(input, slot.current.signal));
      slot.details.catch(() => {});
    }
    return abortable(slot.details, signal);
  }

  /** Changes of training that suit a range of the document's present text; none for documents that are not open. Rejects as `get`. */
  async rewrites(uri: string, range: SourceRange, signal: AbortSignal): Promise<Fix[]> {
    const slot = this.#slot(uri);
    if (!slot) return [];
    return abortable(this.#host.rewrites(await this.#input(slot), range, slot.current.signal), signal);
  }

  /** Where the symmetries of the document's present text are; undefined for documents that are not open. Rejects as `get`. */
  async structure(uri: string, signal: AbortSignal): Promise<DocumentStructure | undefined> {
    const slot = this.#slot(uri);
    if (!slot) return undefined;
    if (!slot.structure) {
      slot.structure = this.#structure(slot);
      slot.structure.catch(() => {});
    }
    return abortable(slot.structure, signal);
  }

  /** An open document as it is analysed: for a cell its whole notebook; undefined for documents that are not open. */
  document(uri: string): TextDocument | undefined {
    return this.#slot(uri)?.document;
  }

  async #structure(slot: Slot): Promise<DocumentStructure> {
    return this.#host.structure(await this.#input(slot), slot.certified !== undefined, slot.current.signal);
  }

  async #input({ document }: Slot): Promise<AnalysisInput> {
    const { lint: settings } = await this.#settings(document.uri);
    return { kind: "python", path: pathOf(document.uri), text: document.getText(), settings };
  }

  /**
   * Waits until the document has not changed for a moment, longer for documents whose analysis takes longer. Rejects
   * with the signal's reason when it is aborted or the text changes meanwhile.
   */
  async settled(uri: string, signal: AbortSignal): Promise<void> {
    const slot = this.#slot(uri);
    if (!slot) return;
    const wanted = Math.min(LONGEST_DEBOUNCE, Math.max(SHORTEST_DEBOUNCE, slot.milliseconds / 2));
    const left = wanted - (performance.now() - slot.changed);
    if (left > 0) await sleep(left, AbortSignal.any([signal, slot.current.signal]));
  }

  dispose(): void {
    for (const uri of this.#slots.keys()) this.close(uri);
    this.removeAllListeners();
  }

  async #analyse(slot: Slot): Promise<Analysed> {
    this.emit("start", slot.document.uri, "analysing");
    const analysed = await this.#attempt(slot, false);
    slot.milliseconds = analysed.analysis.milliseconds;
    if (!analysed.failure) await this.#certifyWhenIdle(slot, analysed);
    return analysed;
  }

  async #certifyWhenIdle(slot: Slot, analysed: Analysed): Promise<void> {
    const { certify, enable } = await this.#settings(slot.document.uri);
    if (analysed.analysis.models.length === 0 || !enable || certify !== "idle" || slot.current.signal.aborted) return;
    const wait = Math.max(0, IDLE - (performance.now() - slot.changed));
    slot.idle = setTimeout(() => {
      this.emit("start", slot.document.uri, "certifying");
      // Rejects when the document changes; its next version will be certified.
      this.#attempt(slot, true).catch(() => {});
    }, wait);
  }

  async #attempt(slot: Slot, certified: boolean): Promise<Analysed> {
    const { uri, version } = slot.document;
    const { signal } = slot.current;
    const input = await this.#input(slot);
    try {
      const analysis = await (certified ? this.#host.certify(input, signal) : this.#host.analyse(input, signal));
      const analysed = { uri, version, analysis, certified };
      if (certified) {
        slot.certified = analysed;
        slot.structure = undefined;
      }
      this.emit("done", analysed);
      return analysed;
    } catch (error) {
      if (signal.aborted) throw error;
      const failure = error instanceof AnalysisFailure ? error : new AnalysisFailure("error", String(error));
      this.emit("failed", uri, failure);
      const problems = [{ message: failure.message }];
      const configuration = { files: [], mistakes: [] };
      const analysis = { path: input.path, findings: [], hovers: [], models: [], problems, configuration, milliseconds: 0 };
      return { uri, version, analysis, certified: false, failure };
    }
  }

  #drop(slot: Slot | undefined): void {
    if (!slot) return;
    clearTimeout(slot.idle);
    slot.current.abort();
    this.emit("dropped", slot.document.uri);
  }
}

/** The promise's outcome, or the signal's reason as soon as it is aborted. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    void promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", abort, { once: true });
  });
}
