/**
 * @file Everything that evaluations of one state of the workspace share: built-in names, torch, the standard library,
 * and the variables of source files. Made anew after an edit; it is cheap because it is filled by need.
 */
import type { Environment, Interpreter } from "../evaluator/interpreter";
import { type Builtins, makeBuiltins } from "../stdlib/builtins";
import { makeFlax } from "../flax/namespace";
import { makeKeras } from "../keras/namespace";
import { makeEinops } from "../torch/einops";
import { inspectionModules } from "../stdlib/inspection";
import { makeLibrary } from "../stdlib/library";
import { numpyModule } from "../stdlib/numpy";
import { DEVICE_CLASS } from "../torch/devices";
import { makeTorch, type Torch } from "../torch/namespace";
import { namespaceOf } from "../values/namespaces";
import type { ClassValue, GlobalScope, Value } from "../values/value";
import type { Bindings } from "./bindings";
import { COMPLEX_FUNCTIONS } from "./prelude/complex";
import { moduleOfFunction } from "./prelude/functions/index";
import { WRITTEN_LAYERS } from "./prelude/layers";
import type { PreludeFile } from "./prelude/index";
import { isInstalled, type ModuleResolver } from "./resolve";
import { SourceScope } from "./scope";

/** Gives the bindings of a file, parsed. */
export type BindingsOf = (file: string) => Bindings | undefined;

/** One name of one file that an evaluation read. */
export type DependencyKey = string;

function keyOf(file: string, name: string): DependencyKey {
  return `${file}\n${name}`;
}

/** The file and name behind a key. */
export function splitKey(key: DependencyKey): { file: string; name: string } {
  const cut = key.indexOf("\n");
  return { file: key.slice(0, cut), name: key.slice(cut + 1) };
}

/** What does not depend on source files: built-in names, the standard library, torch's tables. */
export interface SharedLibrary {
  readonly builtins: Builtins;
  readonly library: ReadonlyMap<string, Value>;
}

/** Makes the part of a world that all worlds of a project share. */
export function sharedLibrary(): SharedLibrary {
  const builtins = makeBuiltins();
  const library = makeLibrary(builtins);
  library.set("numpy", numpyModule());
  for (const [name, module] of inspectionModules(builtins.object)) library.set(name, module);
  for (const [name, module] of makeKeras(builtins.object)) library.set(name, module);
  for (const [name, module] of makeFlax(builtins.object)) library.set(name, module);
  return { builtins, library };
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

/** Packages that only parts of are known of. */
const PARTLY_KNOWN = new Set([
  "mmcv",
  "mmengine",
  "diffusers",
  "diffusers.models",
  "torchvision",
  "transformers.models",
  "torch_geometric",
]);

/** Packages whose own source is better than a stand-in. */
const READ_WHERE_INSTALLED = /^torchvision(?:\.|$)/;

/** Longest chain of files that is followed from one root. */
const MAXIMUM_FILES = 200;

/** All modules that code may import: the project's, installed ones that are read, and stand-ins. */
export class World implements Environment {
  readonly torch: Torch;
  private readonly builtins: Builtins;
  private readonly library: Map<string, Value>;
  private readonly scopes = new Map<string, SourceScope>();
  private current: Interpreter | undefined;
  /** Where names that are looked up are noted, innermost last. */
  private readonly collectors: Set<DependencyKey>[] = [];
  /** What settling each name looked up. */
  private readonly settledBy = new Map<DependencyKey, Set<DependencyKey>>();

  constructor(
    private readonly bindingsOf: BindingsOf,
    private readonly resolver: ModuleResolver,
    private readonly prelude: (name: string) => PreludeFile | undefined,
    shared: SharedLibrary,
  ) {
    this.builtins = shared.builtins;
    this.library = new Map(shared.library);
    this.torch = makeTorch(this.builtins.object, (name) => {
      if (name.startsWith("torch.")) return this.importModule(name, undefined);
      const module = COMPLEX_FUNCTIONS.has(name)
        ? "torch._complex"
        : LAYERS_IN_PYTHON.has(name)
          ? "torch.nn._attention"
          : WRITTEN_LAYERS.has(name)
            ? "torch.nn._layers"
            : moduleOfFunction(name);
      const written = module === undefined ? undefined : this.prelude(module);
      return written && this.scope(written.file, module!)?.lookup(name);
    });
    for (const [name, value] of this.torch.modules) this.library.set(name, value);
    for (const [name, value] of makeEinops(this.torch.moduleClass)) this.library.set(name, value);
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
      (looked, settle) => this.record(keyOf(file, looked), settle),
    );
    this.scopes.set(file, scope);
    return scope;
  }

  private record(key: DependencyKey, settle: (() => void) | undefined): void {
    this.collectors[this.collectors.length - 1]?.add(key);
    if (!settle) return;
    const inner = new Set<DependencyKey>();
    this.settledBy.set(key, inner);
    this.collectors.push(inner);
    try {
      settle();
    } finally {
      this.collectors.pop();
    }
  }

  /** Notes the names that are looked up from now on, until the returned function is called. */
  collect(into: Set<DependencyKey>): () => void {
    const depth = this.collectors.push(into);
    return () => {
      this.collectors.length = depth - 1;
    };
  }

  /** Notes one dependency. */
  depend(file: string, name: string): void {
    this.collectors[this.collectors.length - 1]?.add(keyOf(file, name));
  }

  /** All names that the given ones depend on, themselves included. */
  closure(keys: Iterable<DependencyKey>): Set<DependencyKey> {
    const out = new Set<DependencyKey>();
    const open = [...keys];
    for (let key = open.pop(); key !== undefined; key = open.pop()) {
      if (out.has(key)) continue;
      out.add(key);
      const inner = this.settledBy.get(key);
      if (inner) open.push(...inner);
    }
    return out;
  }

  private interpreter(): Interpreter {
    if (!this.current) throw new Error("module statements are evaluated outside of an evaluation");
    return this.current;
  }

  importModule(name: string, from: GlobalScope | undefined, fromFile = from?.file): Value | undefined {
    const known = this.library.get(name);
    if (known !== undefined) return known;
    if (name === "torch" || name.startsWith("torch.")) {
      // Parts of torch without an entry are never read as source: a stand-in, or unknown.
      const stub = this.prelude(name);
      if (stub) return this.scope(stub.file, name)?.namespace();
      return this.prelude(`${name}.quantization`) || this.prelude(`${name}.quantized`)
        ? namespaceOf(name, [], (member) => this.importModule(`${name}.${member}`, undefined))
        : undefined;
    }
    const stub = this.prelude(name);
    const isReadAsItIs = !stub || READ_WHERE_INSTALLED.test(name);
    const own = this.resolver.find(name, fromFile);
    // An installed package's own files import each other as the user's code imports them.
    if (own !== undefined && (isReadAsItIs || !isInstalled(own))) return this.scope(own, this.resolver.nameOf(own))?.namespace();
    const installed = isReadAsItIs ? this.resolver.findInstalled(name) : undefined;
    if (installed !== undefined) return this.scope(installed, this.resolver.nameOf(installed))?.namespace();
    if (stub) return this.scope(stub.file, name)?.namespace();
    // A package of which only parts have stand-ins.
    if (PARTLY_KNOWN.has(name)) return namespaceOf(name, [], (member) => this.importModule(`${name}.${member}`, undefined));
    return undefined;
  }
}
