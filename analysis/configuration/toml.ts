/** @file TOML text as a plain value that knows the place of each of its keys. */
import { type AST, getStaticTOMLValue, ParseError, parseTOML } from "toml-eslint-parser";
import type { SourceRange } from "../graph/source";

/** A parsed text. */
export interface TomlDocument {
  /** Tables as objects, arrays as arrays; dates as the parser gives them. */
  readonly value: Readonly<Record<string, unknown>>;
  /** Where the value at a path of keys and indices is said: its key where it has one, else the value itself. */
  range(path: readonly (string | number)[]): SourceRange | undefined;
}

/** The text is no TOML. */
export class TomlError extends Error {
  override readonly name = "TomlError";
  constructor(
    message: string,
    readonly range: SourceRange,
  ) {
    super(message);
  }
}

/** Parses a text. @throws TomlError with the place of the first mistake */
export function parseToml(file: string, text: string): TomlDocument {
  let program: AST.TOMLProgram;
  try {
    program = parseTOML(text);
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const at = { line: error.lineNumber - 1, column: error.column };
    throw new TomlError(error.message, { file, start: at, end: { line: at.line, column: at.column + 1 } });
  }
  const places = new Map<string, AST.SourceLocation>();
  for (const entry of program.body[0].body) collect(entry, [], places);
  return {
    value: getStaticTOMLValue(program) as Record<string, unknown>,
    range(path) {
      const place = places.get(pathKey(path));
      return place && { file, start: position(place.start), end: position(place.end) };
    },
  };
}

type Path = readonly (string | number)[];

function pathKey(path: Path): string {
  return JSON.stringify(path);
}

function position(at: AST.Position): SourceRange["start"] {
  return { line: at.line - 1, column: at.column };
}

function collect(entry: AST.TOMLTable | AST.TOMLKeyValue, above: Path, places: Map<string, AST.SourceLocation>): void {
  if (entry.type === "TOMLTable") {
    noteKeys(entry.key, entry.resolvedKey, places);
    for (const inner of entry.body) collect(inner, entry.resolvedKey, places);
    return;
  }
  const path = [...above, ...entry.key.keys.map((k) => (k.type === "TOMLBare" ? k.name : k.value))];
  noteKeys(entry.key, path, places);
  collectContent(entry.value, path, places);
}

function collectContent(value: AST.TOMLContentNode, path: Path, places: Map<string, AST.SourceLocation>): void {
  if (value.type === "TOMLInlineTable") for (const inner of value.body) collect(inner, path, places);
  if (value.type === "TOMLArray") {
    value.elements.forEach((element, i) => {
      places.set(pathKey([...path, i]), element.loc);
      collectContent(element, [...path, i], places);
    });
  }
}

/** A dotted key names all tables that it passes; the first mention of each is its place. */
function noteKeys(key: AST.TOMLKey, path: Path, places: Map<string, AST.SourceLocation>): void {
  let known = path.length;
  for (let i = key.keys.length - 1; i >= 0; i--) {
    while (known > 0 && typeof path[known - 1] === "number") known--;
    const prefix = i === key.keys.length - 1 ? path : path.slice(0, known);
    if (!places.has(pathKey(prefix))) places.set(pathKey(prefix), key.keys[i]!.loc);
    known--;
  }
}
