/** @file How much of the model code in Python files is understood: what `noether coverage` prints. */
import type { PythonFile } from "../frontends/python/index";
import type { SourceRange } from "../graph/source";
import type { Loader } from "./models";

/** A call, or something else in code, that was not followed. */
export interface OpaqueItem {
  readonly operator: string;
  readonly reason: string;
  readonly range?: SourceRange;
}

/** One class of modules with a forward. */
export interface CoveredClass {
  readonly name: string;
  readonly range: SourceRange;
  /**
   * `understood`: every call on tensors became operators with known semantics, and all sizes fit. `opaque`: there is a
   * graph, with opaque parts. `uninstantiable`: no instance could be made. `failed`: forward could not be followed to an end.
   */
  readonly status: "understood" | "opaque" | "uninstantiable" | "failed";
  /** How it was made, or why it could not be. */
  readonly how: string;
  readonly calls: number;
  readonly opaque: readonly OpaqueItem[];
}

/** One file. */
export interface CoveredFile {
  readonly file: string;
  readonly classes: readonly CoveredClass[];
  /** A defect in Noether, or a file that cannot be read; then there are no classes. */
  readonly exception?: string;
  readonly milliseconds: number;
}

/** An operator or callable that was not followed, with the classes that it touches. */
export interface OpaqueTotal {
  readonly operator: string;
  readonly classes: number;
  readonly calls: number;
  /** The reason and place of one of them. */
  readonly example: OpaqueItem;
}

/** The whole. */
export interface Coverage {
  readonly files: readonly CoveredFile[];
  readonly classes: number;
  readonly understood: number;
  readonly opaque: number;
  readonly uninstantiable: number;
  readonly failed: number;
  readonly exceptions: number;
  /** Most classes first. */
  readonly operators: readonly OpaqueTotal[];
  readonly milliseconds: number;
}

/** Covers one file. Never throws: an exception is reported as such. */
export async function coverFile(loader: Loader, file: string): Promise<CoveredFile> {
  const begin = performance.now();
  try {
    const classes = classesOf(await loader.readPython(file));
    return { file, classes, milliseconds: performance.now() - begin };
  } catch (error) {
    const exception = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { file, classes: [], exception, milliseconds: performance.now() - begin };
  }
}

function classesOf(file: PythonFile): CoveredClass[] {
  const made = file.models.map((m): CoveredClass => {
    const opaque: OpaqueItem[] = [...m.opaque];
    // Operators without an entry in the tables are listed even where the evaluator knew their shapes.
    for (const n of m.graph.nodes) {
      if (n.domain !== "python" || opaque.some((o) => o.operator === n.operator)) continue;
      const { range } = n.origin;
      const reason = /^(?:cat|unpack)$/.test(n.operator)
        ? "the shape of a tensor is not known"
        : "has no operator that stands for it";
      opaque.push({ operator: n.operator, reason, ...(range ? { range } : {}) });
    }
    const status = opaque.length === 0 && m.contradictions.length === 0 ? "understood" : "opaque";
    if (status === "opaque" && opaque.length === 0) {
      for (const reason of m.contradictions) opaque.push({ operator: "sizes", reason, range: m.range });
    }
    return { name: m.name, range: m.range, status, how: `made ${m.howInstantiated}`, calls: m.calls, opaque };
  });
  const unmade = file.unmade.map((u): CoveredClass => {
    const status = u.stage === "construction" ? "uninstantiable" : "failed";
    return { name: u.name, range: u.range, status, how: u.reason, calls: 0, opaque: [] };
  });
  return [...made, ...unmade].sort((a, b) => a.range.start.line - b.range.start.line);
}

/** What is said of calls behind one that was not followed. */
const CONSEQUENCE =
  /the shape of a tensor is not known|argument \w+ is not known|is not a (?:number|tensor) that is known|^(?:item|size|shape)$/;

/** Sums files up; calls that are opaque only because of what is before them are left out of `operators`. */
export function coverageOf(files: readonly CoveredFile[], milliseconds: number): Coverage {
  const classes = files.flatMap((f) => f.classes);
  const count = (status: CoveredClass["status"]): number => classes.filter((c) => c.status === status).length;
  const totals = new Map<string, { classes: Set<CoveredClass>; calls: number; example: OpaqueItem }>();
  for (const c of classes) {
    const causes = c.opaque.filter((o) => !CONSEQUENCE.test(o.reason));
    for (const o of causes.length > 0 ? causes : c.opaque) {
      const known = totals.get(o.operator);
      if (!known) totals.set(o.operator, { classes: new Set([c]), calls: 1, example: o });
      else {
        known.classes.add(c);
        known.calls++;
      }
    }
  }
  const operators = [...totals]
    .map(([operator, t]): OpaqueTotal => ({ operator, classes: t.classes.size, calls: t.calls, example: t.example }))
    .sort((a, b) => b.classes - a.classes || b.calls - a.calls || (a.operator < b.operator ? -1 : 1));
  return {
    files,
    classes: classes.length,
    understood: count("understood"),
    opaque: count("opaque"),
    uninstantiable: count("uninstantiable"),
    failed: count("failed"),
    exceptions: files.filter((f) => f.exception !== undefined).length,
    operators,
    milliseconds,
  };
}
