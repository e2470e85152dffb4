/**
 * @file What a model registers: its parameters, whether forward reads them or not, which start with equal entries, which
 * modules hang in several places, and which ties between layers were made. Rules on sharing and initialisation read it.
 */
import type { Graph, Initialisation } from "../../../graph/graph";
import type { SourceRange } from "../../../graph/source";
import type { Interpreter } from "../evaluator/interpreter";
import { children, isModule, namedModules } from "../torch/layers/module";
import { is } from "../values/inspect";
import type { InstanceValue, ParameterCell } from "../values/value";
import { type Framework, frameworkOf, tensorsBelow, TORCH } from "./framework";
import { layerKind } from "./layers";

/** One trainable parameter under all its names. */
export interface RegisteredParameter {
  /** The first name, as in `named_parameters`. */
  readonly name: string;
  /** Further names of the same tensor: of modules that hang in several places, and of ties. */
  readonly aliases: readonly string[];
  readonly shape: readonly number[];
  /** Whether the outputs are computed from it. */
  readonly read: boolean;
  /** Parameters with the same number start with the same entries: one was copied from the other. */
  readonly entries: number;
  readonly initialisation?: Initialisation;
  /** The call that made it. */
  readonly range?: SourceRange;
}

/** A module with parameters that hangs in several places of the model. */
export interface SharedModule {
  readonly scopes: readonly string[];
  readonly kind: string;
  /** Number of its parameter tensors, those of its parts included. */
  readonly parameters: number;
  /** The call that made it. */
  readonly constructor?: SourceRange;
  /** `[module] * n`, where that is how it was shared. */
  readonly repeated?: SourceRange;
  /** The call that made the container that holds it several times, if one does. */
  readonly container?: SourceRange;
}

/** A module, or a parameter of its own, from which no output is computed: as much of the model as that holds for. */
export interface UnreadPart {
  /** Module path, or the parameter's name. */
  readonly scope: string;
  /** Its class; `Parameter` for a parameter. */
  readonly kind: string;
  /** The call that made it. */
  readonly range?: SourceRange;
  /** Number of trainable entries. */
  readonly entries: number;
  /** Its trainable parameters by name. */
  readonly parameters: readonly string[];
  /** Whether forward applied it all the same. */
  readonly applied: boolean;
}

/** `a.weight = b.weight`. */
export interface TiedParameter {
  /** Names in the finished model; undefined where that module is not part of it any more. */
  readonly names: readonly [owner: string | undefined, holder: string | undefined];
  readonly range: SourceRange;
  /** Whether both still have the same tensor when the model is finished. */
  readonly holds: boolean;
}

/** What a model registers. */
export interface Inventory {
  readonly parameters: readonly RegisteredParameter[];
  readonly shared: readonly SharedModule[];
  readonly ties: readonly TiedParameter[];
  readonly unread: readonly UnreadPart[];
  /** The call that made each module, layers and what holds them alike, by path. */
  readonly made: ReadonlyMap<string, SourceRange>;
}

/** Paths of all modules, those that hang in several places under each of them; at most this many. */
const MOST_PATHS = 20_000;

function pathsOf(root: InstanceValue): Map<InstanceValue, string[]> {
  const out = new Map<InstanceValue, string[]>();
  const open = new Set<InstanceValue>();
  let count = 0;
  const visit = (m: InstanceValue, path: string): void => {
    if (open.has(m) || ++count > MOST_PATHS) return;
    const known = out.get(m);
    if (known) known.push(path);
    else out.set(m, [path]);
    open.add(m);
    for (const [k, c] of children(m)) visit(c, path === "" ? k : `${path}.${k}`);
    open.delete(m);
  };
  visit(root, "");
  return out;
}

/** Takes stock of a finished model. */
export function takeInventory(root: InstanceValue, graph: Graph, interpreter: Interpreter): Inventory {
  const framework = frameworkOf(root.cls);
  if (framework !== TORCH) {
    const made = callsOf(framework.modules(root).map(([path, m]) => [m, [path]]));
    return { parameters: namedBy(framework, root, graph), shared: [], ties: [], unread: [], made };
  }
  const paths = pathsOf(root);
  const cells = new Map<ParameterCell, { names: string[]; shape: readonly number[] }>();
  for (const [m, places] of paths) {
    for (const [k, v] of m.attributes) {
      if (!is(v, "tensor") || !v.parameter || v.parameter.buffer || !v.parameter.trainable) continue;
      const names = places.map((p) => (p === "" ? k : `${p}.${k}`));
      const known = cells.get(v.parameter);
      if (known) known.names.push(...names);
      else cells.set(v.parameter, { names, shape: v.shape ?? [] });
    }
  }
  const numbers = new Map<object, number>();
  const numberOf = (entries: object): number => {
    const known = numbers.get(entries) ?? numbers.size;
    numbers.set(entries, known);
    return known;
  };
  const parameters = [...cells].map(([cell, { names, shape }]): RegisteredParameter => {
    const [name, ...aliases] = names as [string, ...string[]];
    return {
      name,
      aliases,
      shape,
      read: names.some((n) => graph.parameters.has(n)),
      entries: numberOf(cell.entries ?? cell),
      ...(cell.initialisation ? { initialisation: cell.initialisation } : {}),
      ...(cell.origin.range ? { range: cell.origin.range } : {}),
    };
  });
  return {
    parameters,
    shared: sharedModules(paths, interpreter),
    ties: tiesOf(paths, interpreter),
    unread: unreadParts(root, new Map(parameters.map((p) => [p.name, p])), interpreter),
    made: callsOf(paths),
  };
}

function callsOf(paths: Iterable<readonly [InstanceValue, readonly string[]]>): Map<string, SourceRange> {
  const out = new Map<string, SourceRange>();
  for (const [{ made }, places] of paths) for (const path of made ? places : []) if (path !== "") out.set(path, made!.range);
  return out;
}

/** The parameters of a model of another framework than PyTorch; layers make theirs when they are first applied. */
function namedBy(framework: Framework, root: InstanceValue, graph: Graph): RegisteredParameter[] {
  return tensorsBelow(framework, root).flatMap(([name, { parameter: cell, shape }], entries) =>
    !cell || cell.buffer || !cell.trainable
      ? []
      : [
          {
            name,
            aliases: [],
            shape: shape ?? [],
            read: graph.parameters.has(name),
            entries,
            ...(cell.initialisation ? { initialisation: cell.initialisation } : {}),
            ...(cell.origin.range ? { range: cell.origin.range } : {}),
          },
        ],
  );
}

/** The outermost modules none of whose parameters is read, and such parameters of other modules. */
function unreadParts(
  root: InstanceValue,
  parameters: ReadonlyMap<string, RegisteredParameter>,
  interpreter: Interpreter,
): UnreadPart[] {
  const out: UnreadPart[] = [];
  const applied = new Set(interpreter.uses.map((u) => u.module));
  const seen = new Set<InstanceValue>();
  const entries = (list: readonly RegisteredParameter[]) => list.reduce((n, p) => n + p.shape.reduce((a, b) => a * b, 1), 0);
  const visit = (m: InstanceValue, path: string): void => {
    if (seen.has(m)) return;
    seen.add(m);
    const inside = namedModules(m, path);
    const own = inside.flatMap(([at, x]) =>
      [...x.attributes].flatMap(([k, v]) =>
        is(v, "tensor") && v.parameter ? (parameters.get(at === "" ? k : `${at}.${k}`) ?? []) : [],
      ),
    );
    if (own.length === 0) return;
    if (m !== root && own.every((p) => !p.read)) {
      out.push({
        scope: path,
        kind: m.cls.module ? m.cls.name : layerKind(m),
        ...(m.made ? { range: m.made.range } : {}),
        entries: entries(own),
        parameters: own.map((p) => p.name),
        applied: inside.some(([, x]) => applied.has(x)),
      });
      return;
    }
    for (const [k, v] of m.attributes) {
      const p = is(v, "tensor") && v.parameter && m.cls.module ? parameters.get(path === "" ? k : `${path}.${k}`) : undefined;
      if (!p || p.read) continue;
      const { name, range } = p;
      out.push({
        scope: name,
        kind: "Parameter",
        ...(range ? { range } : {}),
        entries: entries([p]),
        parameters: [name],
        applied: false,
      });
    }
    for (const [k, c] of children(m)) visit(c, path === "" ? k : `${path}.${k}`);
  };
  visit(root, "");
  return out;
}

function sharedModules(paths: ReadonlyMap<InstanceValue, string[]>, interpreter: Interpreter): SharedModule[] {
  const out: SharedModule[] = [];
  const parents = new Map<InstanceValue, Set<InstanceValue>>();
  for (const m of paths.keys()) {
    for (const [, c] of children(m)) parents.set(c, (parents.get(c) ?? new Set()).add(m));
  }
  for (const [m, scopes] of paths) {
    // The parts of a shared module are shared because it is.
    const direct = [...(parents.get(m) ?? [])].map((p) => children(p).filter(([, c]) => c === m).length);
    if (scopes.length < 2 || direct.reduce((a, b) => a + b, 0) < 2) continue;
    const parameters = namedModules(m).flatMap(([, x]) =>
      [...x.attributes.values()].filter((v) => is(v, "tensor") && v.parameter && !v.parameter.buffer),
    ).length;
    if (parameters === 0) continue;
    const holder = [...(parents.get(m) ?? [])].find((p) => children(p).filter(([, c]) => c === m).length > 1);
    const repeated = interpreter.repeats.get(m);
    out.push({
      scopes,
      kind: layerKind(m),
      parameters,
      ...(m.made ? { constructor: m.made.range } : {}),
      ...(repeated ? { repeated } : {}),
      ...(holder?.made ? { container: holder.made.range } : {}),
    });
  }
  return out;
}

function tiesOf(paths: ReadonlyMap<InstanceValue, string[]>, interpreter: Interpreter): TiedParameter[] {
  const named = (m: InstanceValue, name: string): string | undefined => {
    const path = paths.get(m)?.[0];
    return path === undefined ? undefined : path === "" ? name : `${path}.${name}`;
  };
  const between = interpreter.ties.filter((t) => isModule(t.owner) && isModule(t.holder));
  return between.map(({ owner, ownerName, holder, name, range }) => {
    const [a, b] = [owner.attributes.get(ownerName), holder.attributes.get(name)];
    const same = is(a, "tensor") && is(b, "tensor") && a.parameter !== undefined && a.parameter === b.parameter;
    return { names: [named(owner, ownerName), named(holder, name)], range, holds: same && paths.has(owner) && paths.has(holder) };
  });
}
