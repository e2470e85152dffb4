/** @file Loads tree-sitter and Python's grammar, and reads a concrete tree out of it in one pass. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Language, Parser, type TreeCursor } from "web-tree-sitter";

/** A node of the concrete tree. Positions are offsets in the parsed text. */
export interface ConcreteNode {
  readonly type: string;
  readonly named: boolean;
  readonly field: string;
  readonly s: number;
  readonly e: number;
  readonly children: readonly ConcreteNode[];
}

/** Where the two WebAssembly files lie. Defaults: beside the running bundle, else in node_modules. */
export interface PythonParserOptions {
  /** tree-sitter.wasm (called web-tree-sitter.wasm in its package). */
  readonly runtimeWasm?: string;
  /** tree-sitter-python.wasm. */
  readonly grammarWasm?: string;
}

/** A loaded parser; what `PythonProject` needs. */
export class PythonParser {
  private readonly fields: readonly string[];
  private readonly types: readonly string[];
  private readonly named: readonly boolean[];

  constructor(
    private readonly parser: Parser,
    language: Language,
  ) {
    this.fields = language.fields.map((f) => f ?? "");
    this.types = Array.from({ length: language.nodeTypeCount }, (_, i) => language.nodeTypeForId(i) ?? "");
    this.named = this.types.map((_, i) => language.nodeTypeIsNamed(i));
  }

  /** The concrete tree of a text; undefined if the parser gave up. The tree-sitter tree is freed before this returns. */
  parse(text: string): ConcreteNode | undefined {
    const tree = this.parser.parse(text);
    if (!tree) return undefined;
    const cursor = tree.walk();
    try {
      return this.read(cursor, 0);
    } finally {
      cursor.delete();
      tree.delete();
    }
  }

  /** Frees the parser. */
  dispose(): void {
    this.parser.delete();
  }

  private read(cursor: TreeCursor, depth: number): ConcreteNode {
    const id = cursor.nodeTypeId;
    const error = id >= this.types.length;
    const children: ConcreteNode[] = [];
    const node: ConcreteNode = {
      type: error ? "ERROR" : this.types[id]!,
      named: error || this.named[id]!,
      field: this.fields[cursor.currentFieldId] ?? "",
      s: cursor.startIndex,
      e: cursor.endIndex,
      children,
    };
    if (depth < MAXIMUM_DEPTH && cursor.gotoFirstChild()) {
      do children.push(this.read(cursor, depth + 1));
      while (cursor.gotoNextSibling());
      cursor.gotoParent();
    }
    return node;
  }
}

/** Expressions nested deeper than this are cut off; protects the call stack against generated code. */
const MAXIMUM_DEPTH = 400;

function packaged(specifier: string): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(specifier);
  } catch {
    return undefined;
  }
}

/** First file that exists: next to the running script, then in node_modules. */
function locate(bundled: string, specifier: string): string {
  const here = import.meta.url ? dirname(fileURLToPath(import.meta.url)) : __dirname;
  const beside = join(here, bundled);
  if (existsSync(beside)) return beside;
  const found = packaged(specifier);
  if (found !== undefined) return found;
  throw new Error(`${bundled} is missing beside ${here}: the Python parser cannot start. Reinstall the extension or run npm ci.`);
}

let runtime: Promise<void> | undefined;

/**
 * Loads the parser; about 20 ms the first time. Throws Error naming the missing file when a WebAssembly file is not found.
 */
export async function loadPythonParser(options: PythonParserOptions = {}): Promise<PythonParser> {
  const runtimeWasm = options.runtimeWasm ?? locate("tree-sitter.wasm", "web-tree-sitter/web-tree-sitter.wasm");
  const grammarWasm = options.grammarWasm ?? locate("tree-sitter-python.wasm", "tree-sitter-python/tree-sitter-python.wasm");
  runtime ??= Parser.init({ locateFile: () => runtimeWasm });
  await runtime;
  const language = await Language.load(grammarWasm);
  const parser = new Parser();
  parser.setLanguage(language);
  return new PythonParser(parser, language);
}
