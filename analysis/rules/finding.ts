/** @file What a rule reports: one finding at one place, with the edits that would mend it. */
import type { SourceRange, RelatedPlace } from "../graph/source";

/** How loud a finding is. */
export type Severity = "error" | "warning" | "info" | "hint";

/** One replacement in one file. */
export interface TextEdit {
  readonly range: SourceRange;
  readonly newText: string;
}

/** A change that mends a finding. */
export interface Fix {
  readonly title: string;
  /** The remedy behind it: `drop-bias`, `syre`, `input-expansion`, ... */
  readonly remedy?: string;
  /** The model and the parameters that it is about, for fixes that change training. */
  readonly target?: { readonly model: string; readonly parameters: readonly string[] };
  /**
   * True where it may be applied without asking: the function that the model computes is exactly unchanged, or what `note`
   * says is all that changes.
   */
  readonly exact: boolean;
  /** What it changes, in a few words, where the function does not stay the same or more than the function is at stake. */
  readonly note?: string;
  readonly edits: readonly TextEdit[];
}

/** One thing that the author should know or change. */
export interface Finding {
  readonly rule: string;
  readonly severity: Severity;
  /** First line stands alone, about 100 characters. */
  readonly message: string;
  /** Absent for ONNX files, where `node` names the place. */
  readonly range?: SourceRange;
  readonly node?: string;
  readonly file: string;
  readonly related: readonly RelatedPlace[];
  /** The symmetry behind it, in notation. */
  readonly symmetry: string;
  readonly fixes: readonly Fix[];
}
