/**
 * @file Everything that evaluations of one state of the workspace share: built-in names, torch, the standard library,
 * and the variables of source files. Made anew after an edit; it is cheap because it is filled by need.
 */
import type { Environment, Interpreter } from "../evaluator/interpreter";
import { makeBuiltins } from "../stdlib/builtins";
import { makeEinops } from "../torch/einops";
import { makeLibrary } from "../stdlib/library";
import { numpyModule } from "../stdlib/numpy";
import { DEVICE_CLASS } from "../torch/devices";
import { makeTorch, type Torch } from "../torch/namespace";
import type { ClassValue, GlobalScope, Value } from "../values/value";
import type { Bindings, TopLevel } from "./bindings";
import type { PreludeFile } from "./prelude/index";
import type { ModuleResolver } from "./resolve";
import { SourceScope } from "./scope";

/** Gives the bindings of a file, parsed. */
export type BindingsOf = (file: string) => Bindings | undefined;

/** One name that an evaluation read, and the statements that decide it. */
export interface Dependency {
  readonly file: string;
  readonly name: string;
  readonly statements: readonly TopLevel[];
}

/** Layers of torch.nn that the prelude spells out in Python. */
const LAYERS_IN_PYTHON = new Set([
  "MultiheadAttention",
  "TransformerEncoderLayer",
  "TransformerDecoderLayer",
  "TransformerEncoder",
  "TransformerDecoder",
  "Transformer",
]);

/** Longest chain of files that is followed from one root. */
const MAXIMUM_FILES = 200;

export class World implements Environment {
  readonly torch: Torch;
  private readonly builtins = makeBuiltins();
  private readonly library: Map<string, Value>;
  private readonly scopes = new Map<string, SourceScope>();
  private current: Interpreter | undefined;
  /** What the evaluation that runs now has looked up. */
  dependencies: Map<string, Dependency> | undefined;

  constructor(
    private readonly bindingsOf: BindingsOf,
    private readonly resolver: ModuleResolver,
    private readonly prelude: (name: string) => PreludeFile | undefined,
  ) {
    this.library = makeLibrary(this.builtins);
    this.torch = makeTorch(this.builtins.object, (name) => {
      const stub = LAYERS_IN_PYTHON.has(name) ? this.prelude("torch.nn._attention") : undefined;
      return stub && this.scope(stub.file, "torch.nn._attention")?.lookup(name);
    });
    for (const [name, value] of this.torch.modules) this.library.set(name, value);
    for (const [name, value] of makeEinops(this.torch.moduleClass)) this.library.set(name, value);
    this.library.set("numpy", numpyModule());
  }

  /** Runs with an interpreter as the one that module statements are evaluated by. */
  using<T>(interpreter: Interpreter, run: () => T): T {
    const before = this.current;
    this.current = interpreter;
    try {
      return run();
    } finally {
      this.current = before;
    }
  }

  builtin(name: string): Value | undefined {
    return this.builtins.names.get(name);
  }

  classOf(value: Value): ClassValue | undefined {
    const t = this.builtins.types;
    if (value === null) return t["NoneType"];
    if (typeof value === "boolean") return t["bool"];
    if (typeof value === "string") return t["str"];
    switch (value.k) {
      case "instance":
        return value.cls === DEVICE_CLASS ? DEVICE_CLASS : value.cls;
      case "tensor":
        return value.parameter && !value.parameter.buffer ? this.torch.parameterClass : this.torch.tensorClass;
      case "dtype":
        return this.torch.dtypeClass;
      case "class":
        return t["type"];
      case "namespace":
        return t["module"];
      case "unknown":
        return undefined;
      case "bound":
      case "native":
      case "partial":
      case "wrapper":
        return t["function"];
      case "iterator":
        return t["object"];
      default:
        return t[value.k] ?? t["object"];
    }
  }

  /** The variables of a source file. */
  scope(file: string, name = this.resolver.nameOf(file)): SourceScope | undefined {
    const known = this.scopes.get(file);
    if (known) return known;
    if (this.scopes.size >= MAXIMUM_FILES) return undefined;
    const bindings = this.bindingsOf(file);
    if (!bindings) return undefined;
    const scope = new SourceScope(
      name,
      file,
      bindings,
      () => this.interpreter(),
      (member) => this.importModule(`${name}.${member}`, undefined, file),
      (looked) => this.record(file, looked, bindings),
    );
    this.scopes.set(file, scope);
    return scope;
  }

  private record(file: string, name: string, bindings: Bindings): void {
    const { dependencies } = this;
    if (!dependencies) return;
    const key = `${file}\n${name}`;
    if (dependencies.has(key)) return;
    dependencies.set(key, {
      file,
      name,
      statements: [...(bindings.binds.get(name) ?? []), ...(bindings.changes.get(name) ?? [])],
    });
  }

  private interpreter(): Interpreter {
    if (!this.current) throw new Error("module statements are evaluated outside of an evaluation");
    return this.current;
  }

  importModule(name: string, from: GlobalScope | undefined, fromFile = from?.file): Value | undefined {
    const known = this.library.get(name);
    if (known !== undefined) return known;
    if (name === "torch" || name.startsWith("torch.")) {
      // Parts of torch without an entry are unknown, never read as source.
      return undefined;
    }
    const file = this.resolver.find(name, fromFile);
    if (file !== undefined) return this.scope(file, this.resolver.nameOf(file))?.namespace();
    const stub = this.prelude(name);
    if (stub) return this.scope(stub.file, name)?.namespace();
    return undefined;
  }
}
