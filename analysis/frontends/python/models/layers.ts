/** @file The table of layers of a model: where each is made and used, and how its bias was asked for. */
import type { SourceRange } from "../../../graph/source";
import type { ModuleUse } from "../evaluator/interpreter";
import { LAYER_PARAMETERS } from "../torch/layers/layer";
import type { ClassValue, Construction, InstanceValue, LayerSignature } from "../values/value";
import { frameworkOf, joined } from "./framework";

/** How a layer's `bias` argument reaches its constructor. */
export interface BiasArgument {
  /** `default`: not given. `indirect`: through *args, **kwargs or another class's constructor. */
  readonly form: "keyword" | "positional" | "default" | "indirect";
  /** The parameter of the constructor: `bias`, `use_bias`. */
  readonly parameter: string;
  /** The value that was given: what an edit replaces. */
  readonly range?: SourceRange;
  /** The constructor call. */
  readonly call: SourceRange;
  /** Where `, bias=False` goes (before the closing parenthesis), with the text that makes it an argument. */
  readonly insert?: { readonly range: SourceRange; readonly prefix: string };
}

/** One constructor call of a layer, with all the layers that it made in this model. */
export interface PythonLayer {
  /** First module path. */
  readonly scope: string;
  readonly scopes: readonly string[];
  /** The constructor call. */
  readonly constructor: SourceRange;
  readonly uses: readonly SourceRange[];
  /** Class in torch.nn, or the class that holds the parameters. */
  readonly kind: string;
  /** Names of its own parameters, over all scopes. */
  readonly parameters: readonly string[];
  readonly bias?: BiasArgument;
}

function rangeKey(r: SourceRange): string {
  return `${r.file}:${r.start.line}:${r.start.column}:${r.end.line}:${r.end.column}`;
}

/** The built-in class behind a class, if there is one. */
function builtIn(cls: ClassValue): ClassValue | undefined {
  return cls.order.find((c) => !c.module && (c.signature || LAYER_PARAMETERS.has(c.name)));
}

/** The class of torch.nn, or of another framework's layers, behind an instance. */
export function layerKind(m: InstanceValue): string {
  return (builtIn(m.cls) ?? m.cls).name;
}

/** The constructor of a built-in layer. */
function signatureOf(cls: ClassValue): Pick<LayerSignature, "params" | "bias"> | undefined {
  if (cls.signature) return cls.signature;
  const params = LAYER_PARAMETERS.get(cls.name);
  return params?.includes("bias") ? { params, bias: "bias" } : undefined;
}

/** How the bias of a layer was given at its constructor call. */
function biasArgument(m: InstanceValue, made: Construction): BiasArgument | undefined {
  const cls = builtIn(m.cls);
  const { params = [], bias: parameter } = (cls && signatureOf(cls)) ?? {};
  if (parameter === undefined) return undefined;
  const at = params.indexOf(parameter);
  const call = made.range;
  // A subclass may do anything with its arguments.
  if (m.cls.module || !made.direct) return { form: "indirect", parameter, call };
  const keyword = made.args.find((a) => a.form === "keyword" && a.name === parameter);
  if (keyword) return { form: "keyword", parameter, range: made.chunk.range(keyword.valueSpan), call };
  if (made.args.some((a) => a.form === "star" || a.form === "doubleStar")) return { form: "indirect", parameter, call };
  const given = at < 0 ? undefined : made.args.filter((a) => a.form === "positional")[at];
  if (given) return { form: "positional", parameter, range: made.chunk.range(given.valueSpan), call };
  const close = made.listSpan.e - 1;
  const last = made.args.at(-1);
  const between = last ? made.chunk.text.slice(last.span.e, close) : "";
  const prefix = !last ? "" : between.includes(",") ? " " : ", ";
  // After the last argument, so that a closing parenthesis on its own line stays there.
  const spot = last ? (between.includes(",") ? last.span.e + between.indexOf(",") + 1 : last.span.e) : close;
  return { form: "default", parameter, call, insert: { range: made.chunk.range({ s: spot, e: spot }), prefix } };
}

/** Collects the layers below a module that have parameters of their own or are known layers. */
export function layerTable(root: InstanceValue, uses: readonly ModuleUse[]): PythonLayer[] {
  const usesOf = new Map<InstanceValue, SourceRange[]>();
  for (const u of uses) {
    if (!u.range) continue;
    const list = usesOf.get(u.module) ?? [];
    if (!list.some((r) => rangeKey(r) === rangeKey(u.range!))) list.push(u.range);
    usesOf.set(u.module, list);
  }
  interface Draft {
    scopes: string[];
    constructor: SourceRange;
    uses: Map<string, SourceRange>;
    kind: string;
    parameters: string[];
    bias: BiasArgument | undefined;
  }
  const drafts = new Map<string, Draft>();
  const framework = frameworkOf(root.cls);
  for (const [path, m] of framework.modules(root)) {
    const { made } = m;
    if (!made || m === root) continue;
    const parameters: string[] = [];
    for (const [k, v] of framework.ownTensors(m))
      if (v.parameter && !v.parameter.buffer) parameters.push(joined(framework, path, k));
    const kind = layerKind(m);
    const known = builtIn(m.cls) !== undefined;
    if (!known && parameters.length === 0) continue;
    const key = `${kind} ${rangeKey(made.range)}`;
    let draft = drafts.get(key);
    if (!draft) {
      draft = { scopes: [], constructor: made.range, uses: new Map(), kind, parameters: [], bias: biasArgument(m, made) };
      drafts.set(key, draft);
    }
    draft.scopes.push(path);
    draft.parameters.push(...parameters);
    for (const r of usesOf.get(m) ?? []) draft.uses.set(rangeKey(r), r);
  }
  return [...drafts.values()].map((d) => ({
    scope: d.scopes[0]!,
    scopes: d.scopes,
    constructor: d.constructor,
    uses: [...d.uses.values()],
    kind: d.kind,
    parameters: d.parameters,
    ...(d.bias ? { bias: d.bias } : {}),
  }));
}
