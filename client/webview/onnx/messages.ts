/** @file What the view of an .onnx file and the extension say to each other. Types only. */
import type { DrawnFile, Layout, LayoutRequest, SourceMatch } from "../../../server/protocol";

/** Extension -> view. */
export type ToView =
  /** The network, drawn; the layout is asked for by the view. */
  | { readonly kind: "drawing"; readonly name: string; readonly file: DrawnFile }
  /** The report as HTML that the extension made, everything from the file escaped. */
  | { readonly kind: "report"; readonly html: string }
  | { readonly kind: "layout"; readonly id: number; readonly layout: Layout }
  | { readonly kind: "layoutFailed"; readonly id: number; readonly message: string }
  /** The Python class behind the file; `label` names it to a person. */
  | { readonly kind: "source"; readonly label: string; readonly match: Pick<SourceMatch, "matched" | "of" | "layers"> }
  /** Select a node of the file, by name. */
  | { readonly kind: "select"; readonly node: string };

/** View -> extension. */
export type FromView =
  | { readonly kind: "ready" }
  | { readonly kind: "layout"; readonly id: number; readonly request: LayoutRequest }
  | { readonly kind: "cancelLayout"; readonly id: number }
  /** Go to the call that makes a layer. */
  | { readonly kind: "openSource"; readonly scope: string }
  /** Go to a node in the text; without one to its beginning. */
  | { readonly kind: "openText"; readonly node?: string }
  /** What is drawn now: for tests, and for the page that the extension shows of itself. */
  | { readonly kind: "shown"; readonly boxes: number; readonly elements: number; readonly selected?: string };
