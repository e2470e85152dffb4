/**
 * @file The variables of one source file, evaluated by need: looking a name up runs the top-level statements that bind
 * it, in order, and no others. Importing a large package costs what is used of it.
 */
import { BudgetExceeded, PythonError } from "../evaluator/errors";
import type { Frame, Interpreter } from "../evaluator/interpreter";
import { runStatement } from "../evaluator/statements";
import { unknown } from "../values/make";
import type { GlobalScope, NamespaceValue, Value } from "../values/value";
import type { Bindings, TopLevel } from "./bindings";

/** The variables of one module, whose statements are run when a name that they bind is asked for. */
export class SourceScope implements GlobalScope {
  readonly variables = new Map<string, Value>();
  private readonly ran = new Set<TopLevel["statement"]>();
  private readonly settled = new Set<string>();
  private readonly running = new Set<string>();
  private starsRan = false;
  private namespaceValue: NamespaceValue | undefined;

  constructor(
    readonly name: string,
    readonly file: string,
    readonly bindings: Bindings,
    /** The evaluation that statements run in now. */
    private readonly interpreter: () => Interpreter,
    /** Submodules of a package. */
    private readonly submodule: (name: string) => Value | undefined,
    /** Told about every name that is looked up, and asked to collect what settling it looks up. */
    private readonly onLookup: (name: string, settle: (() => void) | undefined) => void,
  ) {}

  lookup(name: string): Value | undefined {
    const open = !this.settled.has(name) && !this.running.has(name);
    this.onLookup(name, open ? () => this.settle(name) : undefined);
    return this.variables.get(name);
  }

  assign(name: string, value: Value): void {
    this.interpreter().journal.set(this.variables, name, value);
  }

  names(): readonly string[] {
    const all = this.lookup("__all__");
    if (typeof all === "object" && all !== null && all.k === "list" && all.items.every((i) => typeof i === "string"))
      return all.items as string[];
    this.runStars();
    return [...new Set([...this.bindings.binds.keys(), ...this.variables.keys()])];
  }

  /** Runs what binds a name, then what changes its value. */
  private settle(name: string): void {
    this.running.add(name);
    try {
      const binding = this.bindings.binds.get(name);
      for (const top of binding ?? []) this.run(top);
      if (!this.variables.has(name) && !binding) this.runStars();
      // From here on the name can be read by what changes it.
      this.settled.add(name);
      for (const top of this.bindings.changes.get(name) ?? []) this.run(top);
      if (name === "__name__" && !this.variables.has(name)) this.variables.set(name, this.name === "" ? "__main__" : this.name);
      if (name === "__file__" && !this.variables.has(name)) this.variables.set(name, this.file);
    } finally {
      this.running.delete(name);
      this.settled.add(name);
    }
  }

  private runStars(): void {
    if (this.starsRan) return;
    this.starsRan = true;
    for (const top of this.bindings.stars) this.run(top);
  }

  /** Runs definitions that may register themselves; for tables that are filled by decorators. */
  runDecorated(): void {
    for (const top of this.bindings.decorated) this.run(top);
  }

  /** Runs one top-level statement, once. What fails leaves its names unknown. */
  run(top: TopLevel): void {
    if (this.ran.has(top.statement)) return;
    this.ran.add(top.statement);
    const interpreter = this.interpreter();
    const frame: Frame = {
      form: "module",
      scope: { variables: this.variables, outer: undefined },
      module: this,
      chunk: top.chunk,
      at: top.statement,
      pending: [],
    };
    const before = {
      strict: interpreter.strict,
      tries: interpreter.tries,
      forks: interpreter.forks,
      running: interpreter.running.length,
    };
    interpreter.strict = false;
    interpreter.tries = 0;
    interpreter.forks = 0;
    // What a module defines stays defined, also when the function that imported it is tried and taken back.
    const resume = interpreter.journal.suspend();
    try {
      interpreter.inFrame(frame, () => runStatement(interpreter, top.statement, frame));
    } catch (error) {
      if (!(error instanceof PythonError) && !(error instanceof BudgetExceeded)) throw error;
      if (error instanceof BudgetExceeded) throw error;
      for (const name of namesBoundBy(this.bindings, top))
        if (!this.variables.has(name)) this.variables.set(name, unknown(error.message));
    } finally {
      resume();
      interpreter.strict = before.strict;
      interpreter.tries = before.tries;
      interpreter.forks = before.forks;
      interpreter.running.length = before.running;
    }
  }

  /** The module as a value. */
  namespace(): NamespaceValue {
    this.namespaceValue ??= {
      k: "namespace",
      name: this.name,
      get: (name) => this.lookup(name) ?? this.submodule(name),
      names: () => this.names(),
    };
    return this.namespaceValue;
  }
}

function namesBoundBy(bindings: Bindings, top: TopLevel): string[] {
  const out: string[] = [];
  for (const [name, list] of bindings.binds) if (list.includes(top)) out.push(name);
  return out;
}
