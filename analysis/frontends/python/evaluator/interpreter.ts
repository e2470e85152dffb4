/**
 * @file The state of one evaluation: the abstract heap's journal, the call stack, the graph under construction and the
 * budget. The rules for statements, expressions and calls are in the neighbouring files; they all take an Interpreter.
 */
import type { Origin, RelatedPlace, SourceRange } from "../../../graph/source";
import type { GraphBuilder } from "../emit/builder";
import type { Chunk } from "../parser/document";
import type { Span } from "../parser/syntax";
import { Journal } from "../values/journal";
import { collectTensors } from "../values/inspect";
import type {
  Arguments,
  ClassValue,
  Construction,
  FunctionValue,
  GlobalScope,
  InstanceValue,
  Scope,
  TensorValue,
  Value,
} from "../values/value";
import { BudgetExceeded, type PythonError, type SizeConflict } from "./errors";

/** One running function. */
export interface Frame {
  readonly form: "module" | "class" | "function";
  readonly scope: Scope;
  readonly module: GlobalScope;
  readonly chunk: Chunk;
  readonly callee?: FunctionValue;
  /** The expression that is being evaluated. */
  at: Span;
  /** Values returned on paths that may or may not be taken. */
  readonly pending: { readonly test: Value; readonly value: Value }[];
  readonly yields?: Value[];
  readonly self?: Value;
}

/** Something the evaluator could not follow. */
export interface OpaqueCall {
  readonly operator: string;
  readonly range: SourceRange | undefined;
  readonly reason: string;
}

/** Something in the program that cannot be as it is written, under the supposed sizes. */
export interface Contradiction {
  readonly message: string;
  readonly range: SourceRange | undefined;
  readonly conflicts: readonly SizeConflict[];
}

/** A layer that was called. */
export interface ModuleUse {
  readonly module: InstanceValue;
  readonly range: SourceRange | undefined;
}

/** One parameter given to a second holder. */
export interface Tie {
  readonly owner: InstanceValue;
  readonly ownerName: string;
  readonly holder: InstanceValue;
  readonly name: string;
  /** The assignment. */
  readonly range: SourceRange;
}

/** What the surroundings provide. */
export interface Environment {
  /** A module by its dotted name, as seen from a file; undefined if it is neither known nor found as source. */
  importModule(name: string, from: GlobalScope | undefined): Value | undefined;
  /** A built-in name. */
  builtin(name: string): Value | undefined;
  /** The class of a built-in value (`int`, `Tensor`, ...). */
  classOf(value: Value): ClassValue | undefined;
}

/** Limits of one evaluation. */
export interface Budget {
  readonly steps: number;
  readonly nodes: number;
}

/** What one evaluation may cost, unless told otherwise. */
export const DEFAULT_BUDGET: Budget = { steps: 400_000, nodes: 20_000 };

/** Entries of constants that one evaluation may compute: some seconds of work. */
const MOST_ENTRIES = 100_000_000;

/** Deepest nesting of calls. */
const MAXIMUM_CALLS = 90;

/** One evaluation of Python code: its call stack, what it could not follow, and what it may still cost. */
export class Interpreter {
  readonly journal = new Journal();
  readonly frames: Frame[] = [];
  readonly opaque: OpaqueCall[] = [];
  readonly uses: ModuleUse[] = [];
  readonly made: InstanceValue[] = [];
  readonly notes = new Set<string>();
  /** Contradictions that were replaced by something opaque. */
  readonly contradictions: Contradiction[] = [];
  /** Module instances whose forward is running, innermost last. */
  readonly running: InstanceValue[] = [];
  /** Scope names of module instances, once the root is known. */
  paths = new Map<InstanceValue, string>();
  /** What `self.training` reads. */
  training = true;
  /** A contradiction ends the run (the driver then tries other input shapes) instead of becoming opaque. */
  strict = false;
  /** Number of undecided tests whose sides are being tried. */
  forks = 0;
  /** Number of `try` bodies of the evaluated program that are running. */
  tries = 0;
  /** Calls on tensors: all, and those that became opaque. */
  calls = 0;
  /** Names of sizes that witnesses stand for. */
  readonly symbols = new Map<number, string>();
  /** Witnesses that were used, by name. */
  readonly witnesses = new Map<string, number>();
  /** Witnesses that an earlier attempt showed to be needed. */
  overrides: ReadonlyMap<string, number> = new Map();
  /** Multiplies witnesses for widths. */
  witnessScale = 1;
  /** Whether undeclared attributes of configuration objects get witnesses. */
  inventing = true;
  /** File whose places are preferred in origins. */
  rootFile = "";
  private steps = 0;
  private entries = 0;
  private nextId = 1;
  /** Called whenever an instance of a class written in Python is made. */
  onConstruct: ((cls: ClassValue, args: Arguments, instance: InstanceValue) => void) | undefined;
  /** Called whenever a module written in Python is called with these arguments. */
  onForward: ((module: InstanceValue, args: Arguments) => void) | undefined;
  /** Called whenever a function written in Python is called. */
  onFunction: ((f: FunctionValue, args: Arguments) => void) | undefined;
  /** Attributes of arrays where the framework at hand has others than torch. */
  arrayAttribute: ((interpreter: Interpreter, t: TensorValue, name: string) => Value | undefined) | undefined;
  /** What outermost modules returned when they were called first: a loop over data need not follow them again and again. */
  answers: Map<InstanceValue, Value> | undefined;
  /** Called on calls that training facts are made of. */
  onFact: ((name: string, args: Arguments, value: Value) => void) | undefined;

  /** Parameters of one module that became parameters of another one as well, in order. */
  readonly ties: Tie[] = [];
  /** Instances in lists that were multiplied by a number, with the place. */
  readonly repeats = new Map<InstanceValue, SourceRange>();

  constructor(
    readonly environment: Environment,
    readonly builder: GraphBuilder,
    readonly budget: Budget = DEFAULT_BUDGET,
  ) {
    builder.attach(this);
  }

  /** Takes note when a parameter that one object has is given to another one. */
  noteTie(holder: InstanceValue, name: string, t: TensorValue): void {
    const range = this.here();
    // What was made only now nobody else can have.
    if (!range || this.builder.isNewest(t)) return;
    for (const owner of this.made) {
      for (const [k, v] of owner.attributes) {
        if (v !== t || (owner === holder && k === name)) continue;
        this.ties.push({ owner, ownerName: k, holder, name, range });
        return;
      }
    }
  }

  /** Takes note of the members of a list that is multiplied. */
  noteRepeat(items: readonly Value[]): void {
    const range = this.here();
    for (const i of items) if (range && typeof i === "object" && i?.k === "instance") this.repeats.set(i, range);
  }

  /** A fresh number for objects. */
  id(): number {
    return this.nextId++;
  }

  get frame(): Frame | undefined {
    return this.frames[this.frames.length - 1];
  }

  /** Starts the budget anew, and forgets what the previous attempt noted; for another attempt at the same forward. */
  restart(): void {
    this.steps = 0;
    this.opaque.length = 0;
    this.uses.length = 0;
    this.contradictions.length = 0;
    this.calls = 0;
    this.frames.length = 0;
    this.running.length = 0;
    this.tries = 0;
    this.forks = 0;
  }

  /** Counts one step of work. Throws BudgetExceeded. */
  step(): void {
    if (++this.steps > this.budget.steps) throw new BudgetExceeded(`more than ${this.budget.steps} evaluation steps`);
    if (this.builder.nodeCount > this.budget.nodes) throw new BudgetExceeded(`more than ${this.budget.nodes} operators`);
  }

  /** Counts entries of constants that are computed, over all attempts. Throws BudgetExceeded. */
  spend(entries: number): void {
    this.entries += entries;
    if (this.entries > MOST_ENTRIES) throw new BudgetExceeded(`more than ${MOST_ENTRIES} entries of constants`);
  }

  /** Runs with a new frame on the stack. Throws BudgetExceeded beyond the deepest nesting. */
  inFrame<T>(frame: Frame, run: () => T): T {
    if (this.frames.length >= MAXIMUM_CALLS) throw new BudgetExceeded(`calls nested deeper than ${MAXIMUM_CALLS}`);
    this.frames.push(frame);
    try {
      return run();
    } finally {
      this.frames.pop();
    }
  }

  /** The place being evaluated: innermost in the root file, else innermost at all; nothing inside built-in code. */
  here(): SourceRange | undefined {
    let fallback: Frame | undefined;
    for (let i = this.frames.length - 1; i >= 0; i--) {
      const f = this.frames[i]!;
      if (f.chunk.file.startsWith("<")) continue;
      if (f.chunk.file === this.rootFile) return f.chunk.range(f.at);
      fallback ??= f;
    }
    return fallback?.chunk.range(fallback.at);
  }

  /** Places of the calls around the present one, innermost first, without the innermost. */
  callers(): SourceRange[] {
    const out: SourceRange[] = [];
    for (let i = this.frames.length - 1; i >= 0; i--) {
      const f = this.frames[i]!;
      if (!f.chunk.file.startsWith("<")) out.push(f.chunk.range(f.at));
    }
    return out.slice(1);
  }

  /** The module path of the running module, for names and origins. */
  scopePath(): string {
    for (let i = this.running.length - 1; i >= 0; i--) {
      const p = this.paths.get(this.running[i]!);
      if (p !== undefined) return p;
    }
    return "";
  }

  /** Where a node that is made now comes from. */
  origin(): Origin {
    const range = this.here();
    const related: RelatedPlace[] = [];
    const module = this.running[this.running.length - 1];
    if (module?.made) related.push({ label: `${module.cls.name} is made here`, range: module.made.range });
    for (const c of this.callers()) {
      if (related.length >= 4) break;
      if (range && c.file === range.file && c.start.line === range.start.line && c.start.column === range.start.column) continue;
      related.push({ label: "called from here", range: c });
    }
    return {
      ...(range ? { range } : {}),
      ...(related.length > 0 ? { related } : {}),
      scope: this.scopePath(),
    };
  }

  /**
   * Replaces something that cannot be followed by an opaque operator over the tensors it depends on. In strict mode a
   * contradiction is thrown on instead, so that the driver can try other input shapes.
   */
  contradiction(error: PythonError): void {
    if (this.strict) throw error;
    if (this.contradictions.length < 200)
      this.contradictions.push({ message: error.message, range: this.here(), conflicts: error.conflicts });
  }

  /** Records an opaque call; the graph node is the builder's business. */
  noteOpaque(operator: string, reason: string): void {
    if (this.opaque.length < 2000) this.opaque.push({ operator, range: this.here(), reason });
  }

  /** Tensors inside values, parameters of modules included: everything an unknown call may read. */
  tensorsIn(values: Iterable<Value>): TensorValue[] {
    const out = new Set<TensorValue>();
    const seen = new Set<InstanceValue>();
    const visit = (v: Value, depth: number): void => {
      if (typeof v !== "object" || v === null || depth > 12) return;
      if (v.k === "instance") {
        if (seen.has(v)) return;
        seen.add(v);
        for (const a of v.attributes.values()) visit(a, depth + 1);
      } else if (v.k === "bound") {
        visit(v.self, depth + 1);
        visit(v.callee, depth + 1);
      } else if (v.k === "partial") {
        visit(v.callee, depth + 1);
        for (const a of v.args.positional) visit(a, depth + 1);
        for (const a of v.args.keywords.values()) visit(a, depth + 1);
      } else if (v.k === "list" || v.k === "tuple") for (const i of v.items) visit(i, depth + 1);
      else if (v.k === "dict") for (const e of v.entries.values()) visit(e.value, depth + 1);
      else collectTensors(v, out);
    };
    for (const v of values) visit(v, 0);
    return [...out];
  }

  /** Describes the call that is being evaluated, for the layers table. `cls` is what is being made. */
  construction(cls: ClassValue): Construction | undefined {
    for (let i = this.frames.length - 1; i >= 0; i--) {
      const f = this.frames[i]!;
      if (f.chunk.file.startsWith("<")) continue;
      const site = this.callSites[i];
      const span = site?.span ?? f.at;
      return {
        range: f.chunk.range(span),
        chunk: f.chunk,
        callSpan: span,
        listSpan: site?.list ?? span,
        args: site?.args ?? [],
        direct: i === this.frames.length - 1 && site?.callee === cls,
        callers: this.callers(),
      };
    }
    return undefined;
  }

  /** The call expression that each frame is evaluating, by frame index. */
  readonly callSites: (
    | { readonly span: Span; readonly list: Span; readonly args: Construction["args"]; readonly callee: Value }
    | undefined
  )[] = [];
}
