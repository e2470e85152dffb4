/** @file Which top-level statements bind which names: what makes lazy evaluation of modules possible. */
import type { Chunk } from "../parser/document";
import type { Block, Expr, Stmt } from "../parser/syntax";

/** One top-level statement. */
export interface TopLevel {
  readonly chunk: Chunk;
  readonly statement: Stmt;
}

/** The names of one file. */
export interface Bindings {
  /** Statements that bind a name, in order. */
  readonly binds: ReadonlyMap<string, readonly TopLevel[]>;
  /** Statements that change what a name stands for: item and attribute stores, method calls, augmented assignments. */
  readonly changes: ReadonlyMap<string, readonly TopLevel[]>;
  /** `from x import *`, in order. */
  readonly stars: readonly TopLevel[];
  /** Definitions with decorators: they may register themselves somewhere. */
  readonly decorated: readonly TopLevel[];
  readonly statements: readonly TopLevel[];
}

function targetNames(x: Expr, into: Set<string>): void {
  if (x.kind === "Name") into.add(x.id);
  else if (x.kind === "Tuple" || x.kind === "List") for (const i of x.items) targetNames(i, into);
  else if (x.kind === "Starred") targetNames(x.value, into);
}

function rootName(x: Expr): string | undefined {
  if (x.kind === "Name") return x.id;
  if (x.kind === "Attribute" || x.kind === "Subscript") return rootName(x.object);
  return undefined;
}

function collect(block: Block, binds: Set<string>, changes: Set<string>): boolean {
  let star = false;
  for (const s of block) {
    switch (s.kind) {
      case "Assign":
        for (const t of s.targets) {
          targetNames(t, binds);
          const root = t.kind === "Attribute" || t.kind === "Subscript" ? rootName(t) : undefined;
          if (root !== undefined) changes.add(root);
        }
        break;
      case "Annotated":
        targetNames(s.target, binds);
        break;
      case "Augmented": {
        const root = rootName(s.target);
        if (root !== undefined) changes.add(root);
        break;
      }
      case "Expression": {
        const v = s.value;
        if (v.kind === "Call" && v.callee.kind === "Attribute") {
          const root = rootName(v.callee.object);
          if (root !== undefined) changes.add(root);
        } else if (v.kind === "Call" && v.args.length > 0) {
          // A helper that changes its argument: `register(table)`.
          for (const a of v.args) if (a.value.kind === "Name") changes.add(a.value.id);
        } else if (v.kind === "Named") targetNames(v.target, binds);
        break;
      }
      case "FunctionDef":
      case "ClassDef":
        binds.add(s.name);
        break;
      case "Import":
        for (const n of s.names) binds.add(n.alias ?? n.name.split(".")[0]!);
        break;
      case "ImportFrom":
        if (s.names === "*") star = true;
        else for (const n of s.names) binds.add(n.alias ?? n.name);
        break;
      case "If":
      case "While":
        star = collect(s.body, binds, changes) || star;
        star = collect(s.otherwise, binds, changes) || star;
        break;
      case "For":
        targetNames(s.target, binds);
        star = collect(s.body, binds, changes) || star;
        break;
      case "With":
        for (const i of s.items) if (i.target) targetNames(i.target, binds);
        star = collect(s.body, binds, changes) || star;
        break;
      case "Try":
        star = collect(s.body, binds, changes) || star;
        for (const h of s.handlers) star = collect(h.body, binds, changes) || star;
        star = collect(s.otherwise, binds, changes) || star;
        star = collect(s.final, binds, changes) || star;
        break;
      default:
    }
  }
  return star;
}

interface ChunkNames {
  readonly statements: readonly {
    readonly top: TopLevel;
    readonly binds: Set<string>;
    readonly changes: Set<string>;
    readonly star: boolean;
  }[];
}

const perChunk = new WeakMap<Chunk, ChunkNames>();

function namesOf(chunk: Chunk): ChunkNames {
  const known = perChunk.get(chunk);
  if (known) return known;
  const statements = chunk.body.map((statement) => {
    const binds = new Set<string>();
    const changes = new Set<string>();
    const star = collect([statement], binds, changes);
    return { top: { chunk, statement }, binds, changes, star };
  });
  const out = { statements };
  perChunk.set(chunk, out);
  return out;
}

/** Reads the bindings of a file from its top-level statements. */
export function readBindings(chunks: readonly Chunk[]): Bindings {
  const binds = new Map<string, TopLevel[]>();
  const changes = new Map<string, TopLevel[]>();
  const stars: TopLevel[] = [];
  const decorated: TopLevel[] = [];
  const statements: TopLevel[] = [];
  const add = (map: Map<string, TopLevel[]>, name: string, top: TopLevel): void => {
    const list = map.get(name);
    if (list) list.push(top);
    else map.set(name, [top]);
  };
  for (const chunk of chunks) {
    for (const s of namesOf(chunk).statements) {
      statements.push(s.top);
      for (const n of s.binds) add(binds, n, s.top);
      for (const n of s.changes) if (!s.binds.has(n)) add(changes, n, s.top);
      if (s.star) stars.push(s.top);
      const { statement } = s.top;
      if ((statement.kind === "FunctionDef" || statement.kind === "ClassDef") && statement.decorators.length > 0)
        decorated.push(s.top);
    }
  }
  return { binds, changes, stars, decorated, statements };
}
