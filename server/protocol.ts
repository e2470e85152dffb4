/**
 * @file What client and server say to each other beyond the Language Server Protocol, and the only door through which
 * either sees analysis types. Types and method names only: nothing here runs.
 */
import type { ProbeEvent } from "../analysis/probe/record/events";
import type { ProbeRecord } from "../analysis/probe/record/record";
import type { DocumentProbe, DocumentProbeAnswer as ProbeAnswer, ProbeChoices } from "../analysis/service/probe/document";
import type { Drawing } from "../analysis/drawing/drawing";
import type { Layout, LayoutBox, LayoutRequest } from "../analysis/drawing/layout";
import type { DrawnFile, OnnxTextView } from "../analysis/service/onnx-views";
import type { SourceMatch } from "../analysis/service/source-match";
import type { DocumentStructure } from "../analysis/service/structure";
import type { AnalysisService, DocumentAnalysis, LintSettings, ModelSummary } from "../analysis/service/types";

export type { AnalysisService, DocumentAnalysis, DocumentStructure, LintSettings, ModelSummary };
export type { DocumentProbe, ProbeAnswer, ProbeChoices, ProbeEvent, ProbeRecord };
export type { DrawnFile, Drawing, Layout, LayoutBox, LayoutRequest, OnnxTextView, SourceMatch };
export { typesetGroup } from "../analysis/report/typeset";
/** A finding as the analysis gives it. */
export type Finding = DocumentAnalysis["findings"][number];
/** A fix of a finding. */
export type Fix = Finding["fixes"][number];
/** A range of text in a file. */
export type SourceRange = NonNullable<Finding["range"]>;

/** What a client may say in `initializationOptions`. */
export interface InitialisationOptions {
  /** Commands that it runs from links in hovers and lenses. */
  readonly commands?: readonly string[];
}

/** Request: an .onnx file's analysis for the read-only view. `OnnxParams` -> `OnnxSummary`. */
export const ONNX_REQUEST = "noether/onnx";

/** An .onnx file to look at. */
export interface OnnxParams {
  readonly uri: string;
  /** Also check the claims numerically; slower. */
  readonly certify?: boolean;
}

/** `problems` says why there is nothing to show when there is nothing to show. */
export interface OnnxSummary {
  readonly uri: string;
  readonly models: readonly ModelSummary[];
  readonly findings: readonly Finding[];
  readonly problems: readonly { readonly message: string }[];
  readonly milliseconds: number;
}

/** Requests about an .onnx file, by `OnnxParams`: it drawn (`DrawnFile | null`), and as text (`OnnxTextView | null`). */
export const DRAWING_REQUEST = "noether/onnxDrawing";
/** Request: an .onnx file in ONNX's text syntax. */
export const ONNX_TEXT_REQUEST = "noether/onnxText";

/** Request: the Python class that an .onnx file was exported from. `SourceParams` -> `SourceMatch | null`. */
export const SOURCE_REQUEST = "noether/onnxSource";

/** An .onnx file whose Python class is looked for. */
export interface SourceParams {
  readonly uri: string;
  /** URIs of the folders to look in. */
  readonly folders: readonly string[];
}

/** Request: where the boxes of a drawing go. `LayoutRequest` -> `Layout`; cancelling it ends the work. */
export const LAYOUT_REQUEST = "noether/layout";

/** Request: the text report of the model at a position. `SymmetriesParams` -> `SymmetriesReport | null`. */
export const SYMMETRIES_REQUEST = "noether/symmetries";

/** The models to report on. */
export interface SymmetriesParams {
  readonly uri: string;
  /** Where the cursor is; without it, or outside every model, all models of the document are reported. */
  readonly position?: { readonly line: number; readonly character: number };
}

/** What acts on some models, as text. */
export interface SymmetriesReport {
  /** Names of the models reported. */
  readonly title: string;
  readonly text: string;
}

/** Request: where the symmetries of an open document are. `StructureParams` -> `DocumentStructure | null`. */
export const STRUCTURE_REQUEST = "noether/structure";

/** The document whose symmetries are to be placed. */
export interface StructureParams {
  readonly uri: string;
}

/**
 * Request: trains the model of a document for a short while and measures what its symmetries do. `ProbeParams` ->
 * `ProbeAnswer`. Cancelling it ends all processes of the probe.
 */
export const PROBE_REQUEST = "noether/probe";

/** A probe to run. */
export interface ProbeParams {
  /** Chosen by the client; the probe's notifications carry it. */
  readonly id: string;
  /** The text of an open document counts, not the file. */
  readonly uri: string;
  /** Class in a Python file; not needed where the file has one model. */
  readonly model?: string;
  readonly choices: ProbeChoices;
}

/** Notification from server to client, while a probe runs. `ProbeNotice`. */
export const PROBE_NOTIFICATION = "noether/probeEvent";

/** What happened in a probe. */
export interface ProbeNotice {
  readonly id: string;
  readonly event: ProbeEvent;
}

/** Request without parameters: what the server says of itself. Nothing -> `ServerInformation`. */
export const INFORMATION_REQUEST = "noether/information";

/** What the server is, for bug reports. */
export interface ServerInformation {
  /** Version of Node. */
  readonly node: string;
  /** Open documents. */
  readonly documents: number;
  /** Memory of the server's own process. */
  readonly megabytes: number;
  /** Seconds since its start. */
  readonly uptime: number;
}

/** Notification from server to client: what the server is doing. `ServerStatus`. */
export const STATUS_NOTIFICATION = "noether/status";

/** What the server is doing. */
export interface ServerStatus {
  /**
   * ready: nothing to do; analysing, certifying: working on `uri`; failed: the analysis of `uri` broke off and will be
   * tried again when the document changes; off: switched off in the settings.
   */
  readonly state: "ready" | "analysing" | "certifying" | "failed" | "off";
  /** One sentence for a person. */
  readonly message: string;
  /** The document that it is about. */
  readonly uri?: string;
  /** How long the last analysis took. */
  readonly milliseconds?: number;
}

/** The settings `noether.*` that the server reads. */
export interface Settings {
  readonly enable: boolean;
  readonly lint: LintSettings & { readonly run: "onType" | "onSave" };
  readonly certify: "idle" | "never";
  /** Whether models have a line above them. */
  readonly codeLens: boolean;
  /** Whether layers show their axes. */
  readonly inlayHints: boolean;
}
