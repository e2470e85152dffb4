/** @file Where things come from: places in source text and in ONNX files. */

/** A place in a text, zero based; columns count UTF-16 code units, as in the Language Server Protocol. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A half-open range of text in one file. `file` is a path or URI exactly as the caller named it. */
export interface SourceRange {
  readonly file: string;
  readonly start: Position;
  readonly end: Position;
}

/** A further place that helps to explain the first one (a constructor, a caller, a coupled layer). */
export interface RelatedPlace {
  readonly label: string;
  readonly range: SourceRange;
}

/**
 * Where a node or parameter was written. Python front ends fill `range`, ONNX front ends fill `node`;
 * `scope` is the module path (`blocks.3.attn.qkv`) in either and is the stable identity across edits.
 */
export interface Origin {
  readonly range?: SourceRange;
  readonly related?: readonly RelatedPlace[];
  readonly node?: string;
  readonly scope?: string;
}
