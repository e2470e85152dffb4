/** @file One Python file: its top-level statements, parsed once each and kept while their text stays the same. */
import type { Position, SourceRange } from "../../../graph/source";
import { splitChunks } from "./chunks";
import type { PythonParser } from "./parser";
import { StatementReader } from "./statements";
import type { Block, Span } from "./syntax";

/** Maps a line of the parsed text to a place elsewhere (the cells of a notebook). */
export type LineMap = (line: number) => { readonly file: string; readonly line: number };

/** One top-level statement with its syntax tree. The same object stands for it as long as its text does not change. */
export class Chunk {
  private lineStarts: number[] | undefined;
  /** By start and end. */
  private readonly ranges = new Map<number, SourceRange>();

  constructor(
    readonly file: string,
    readonly text: string,
    /** First line in the file; changes when lines are added or removed above. */
    public line: number,
    readonly body: Block,
    readonly errors: readonly Span[],
    private readonly map: LineMap | undefined,
  ) {}

  private position(offset: number): Position {
    if (!this.lineStarts) {
      this.lineStarts = [0];
      for (let i = this.text.indexOf("\n"); i >= 0; i = this.text.indexOf("\n", i + 1)) this.lineStarts.push(i + 1);
    }
    const starts = this.lineStarts;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low, column: offset - starts[low]! };
  }

  /**
   * Where a node of this chunk is in its file. The same object stands for it always, and tells the place as it is when it is
   * asked: what was made of this chunk needs no care when lines are added or removed above. Copy what has to stay.
   */
  range(span: Span): SourceRange {
    const key = span.s * (this.text.length + 1) + span.e;
    const known = this.ranges.get(key);
    if (known) return known;
    const made = this.makeRange(this.position(span.s), this.position(span.e));
    this.ranges.set(key, made);
    return made;
  }

  /** @param start in the chunk, as `end` is */
  private makeRange(start: Position, end: Position): SourceRange {
    if (this.map) {
      // Chunks of a text with a map are never kept, so they never move.
      const place = this.map(this.line + start.line);
      return {
        file: place.file,
        start: { line: place.line, column: start.column },
        end: { line: place.line + (end.line - start.line), column: end.column },
      };
    }
    return liveRange(this, start, end);
  }

  /** The text of a node. */
  source(span: Span): string {
    return this.text.slice(span.s, span.e);
  }
}

/** Where a live range keeps what it is made of. */
const PLACE = Symbol("place");

/** A range that moves with its chunk: start and end in the chunk. */
interface LiveRange {
  readonly [PLACE]: { readonly chunk: Chunk; readonly start: Position; readonly end: Position };
}

/** The getters of all live ranges: those of object literals would cost a hidden class each. */
const LIVE = {
  start: {
    enumerable: true,
    get(this: LiveRange): Position {
      const { chunk, start } = this[PLACE];
      return { line: chunk.line + start.line, column: start.column };
    },
  },
  end: {
    enumerable: true,
    get(this: LiveRange): Position {
      const { chunk, end } = this[PLACE];
      return { line: chunk.line + end.line, column: end.column };
    },
  },
};

/** Own properties that can be enumerated: messages, copies and comparisons see plain data. */
function liveRange(chunk: Chunk, start: Position, end: Position): SourceRange {
  const range = { file: chunk.file };
  Object.defineProperty(range, PLACE, { value: { chunk, start, end } });
  return Object.defineProperties(range, LIVE) as SourceRange;
}

/** A file that can be updated. */
export class PythonDocument {
  chunks: readonly Chunk[] = [];
  text = "";
  /** Counts updates that changed something. */
  version = 0;

  constructor(
    readonly file: string,
    private readonly parser: PythonParser,
  ) {}

  /** Takes a new text; only the top-level statements whose text changed are parsed again. */
  update(text: string, map?: LineMap): void {
    if (this.version > 0 && text === this.text && !map) return;
    const known = new Map<string, Chunk[]>();
    if (!map) {
      for (const c of this.chunks) {
        const list = known.get(c.text);
        if (list) list.push(c);
        else known.set(c.text, [c]);
      }
    }
    this.chunks = splitChunks(text).map((piece) => {
      const kept = known.get(piece.text)?.shift();
      if (kept) {
        kept.line = piece.line;
        return kept;
      }
      return this.parseChunk(piece.text, piece.line, map);
    });
    this.text = text;
    this.version++;
  }

  private parseChunk(text: string, line: number, map: LineMap | undefined): Chunk {
    const reader = new StatementReader(text);
    const root = this.parser.parse(text);
    const body = reader.block(root);
    return new Chunk(this.file, text, line, body, reader.errors, map);
  }
}
