/**
 * @file The one facade that an editor host calls: documents in, findings, hovers and symmetries out. The language
 * server and its worker know nothing of analysis beyond this interface.
 */
import type { SourceRange } from "../graph/source";
import type { Finding, Fix } from "../rules/finding";
import type { Hover } from "./hover";
import type { DrawnFile, OnnxTextView } from "./onnx-views";
import type { SourceMatch } from "./source-match";
import type { DocumentStructure } from "./structure";

/** What was found in one model. */
export interface ModelSummary {
  /** Class name in Python; the file's stem for ONNX. */
  readonly name: string;
  readonly file: string;
  /** The class statement; absent for ONNX files. */
  readonly range?: SourceRange;
  /** Number of trainable scalars. */
  readonly parameters: number;
  /** The plain text report (`noether symmetries`), without colour; empty where only findings were asked for. */
  readonly text: string;
  /** One member of `models` in the public JSON of `noether symmetries --format json`; null where only findings were asked for. */
  readonly json: unknown;
}

/** A finding, with ways to silence it by a comment. */
export interface ReportedFinding extends Finding {
  readonly silence: readonly Fix[];
}

/** A mistake in a configuration file. */
export interface ConfigurationMistake {
  readonly message: string;
  readonly range: SourceRange;
}

/** What an editor's settings say about rules; configuration files win over it. */
export interface LintSettings {
  /** A configuration file to use instead of those that are found; empty for none named. */
  readonly configuration: string;
  /** Severity by rule. */
  readonly rules: Readonly<Record<string, string>>;
}

/** What is known of one document. */
export interface DocumentAnalysis {
  readonly path: string;
  readonly findings: ReportedFinding[];
  /** Markdown to show when the pointer is on a range, for example on the call that makes a layer. */
  readonly hovers: Hover[];
  readonly models: ModelSummary[];
  /** Why something was not analysed: unreadable files, unknown calls. Never symmetry findings. */
  readonly problems: { readonly message: string; readonly range?: SourceRange }[];
  /** Calls on tensors in forward passes, and how many are understood; absent for ONNX files. */
  readonly calls?: { readonly understood: number; readonly all: number };
  /** The configuration files that hold for the document, and what is wrong in them. */
  readonly configuration: { readonly files: readonly string[]; readonly mistakes: readonly ConfigurationMistake[] };
  readonly milliseconds: number;
}

/**
 * How much an answer holds. "findings" leaves out what nobody sees while typing: hovers, and of models the reports; it needs
 * no symmetries but those that rules ask for.
 */
export type AnswerScope = "all" | "findings";

/** Analyses documents. Input that cannot be analysed is reported in `problems`; a rejected promise is a defect. */
export interface AnalysisService {
  /** Python text -> findings, layers with hover text, models. */
  analysePython(path: string, text: string, settings?: LintSettings, scope?: AnswerScope): Promise<DocumentAnalysis>;
  /** An ONNX file on disk. */
  analyseOnnx(path: string, settings?: LintSettings): Promise<DocumentAnalysis>;
  /** Certifies numerically what the last analysis of this path claimed; resolves with the updated analysis. */
  certify(path: string): Promise<DocumentAnalysis>;
  /** Changes of training that suit the layers and optimisers in a range, with the last analysis of this path. */
  rewrites(path: string, range: SourceRange): Promise<Fix[]>;
  /** Where the symmetries are that the last analysis of this path found. */
  structure(path: string): Promise<DocumentStructure>;
  /** An ONNX file as text, as the last analysis of this path found it; null where that found no model. */
  onnxText(path: string): Promise<OnnxTextView | null>;
  /** An ONNX file as a drawing, as the last analysis of this path found it; null where that found no model. */
  drawing(path: string): Promise<DrawnFile | null>;
  /** The class below some folders that an ONNX file was exported from, as far as names tell; null where there is none. */
  sourceOf(path: string, folders: readonly string[]): Promise<SourceMatch | null>;
  /** Frees everything, child processes included. */
  dispose(): void;
}
