/** @file What a fix that changes training is: where it applies, what it does, and the edit that it makes. */
import type { CheckedFile, Layer } from "../../rules/checked";
import { layerOf } from "../../rules/layers";
import type { Subject } from "../../rules/rule";
import { shortPath } from "../../rules/words";
import type { Syntax } from "../../frontends/python/index";
import { type Draft, refuse } from "../source/draft";
import { expressionsIn, type Located, type PythonSource } from "../source/python-source";

/** Where a fix is wanted. */
export interface Site {
  readonly file: CheckedFile;
  readonly source: PythonSource;
  readonly subject: Subject;
}

/** A fix that changes how a model trains. */
export interface TrainingRemedy {
  /** Stable: `noether fix --fix ID`. */
  readonly id: string;
  /** What it does and what it is good for, in a sentence or two, with its source. */
  readonly description: string;
  /** Rules whose findings it is offered for. */
  readonly rules: readonly string[];
  /** Whether it makes sense for any weight of any model, without a finding. */
  readonly anywhere?: true;
  /** Writes the edit and returns its title. @throws NotEditable where it cannot be made rightly */
  write(site: Site, draft: Draft): string;
}

/** A call in the text, with the statement of the file that it is in. */
export type Call = Located<Syntax.ExprOf<"Call">> & { readonly top: Located<Syntax.Stmt> };

/** The layer that holds a parameter, made by one call for it alone. @throws NotEditable */
export function soleLayer({ subject: { model } }: Site, parameter: string): Layer {
  const layer = layerOf(model, parameter);
  if (!layer) refuse(`${parameter} is no layer's`);
  const { constructor: at } = layer;
  const made = model.layers.filter((l) => sameRange(l.constructor, at));
  if (made.length > 1) refuse(`one call makes ${made.length} layers`);
  return layer;
}

/** The call that makes a layer. @throws NotEditable where it is not in this file or is not a plain call */
export function constructorOf({ source }: Site, layer: Layer): Call {
  return source.callAt(layer.constructor) ?? refuse("the call that makes the layer is not in this file");
}

/** The one place where forward calls a layer by its attribute: `self.fc1(x)`. @throws NotEditable */
export function soleUse({ source }: Site, layer: Layer): Call & { readonly argument: Located<Syntax.Expr> } {
  const [use, ...more] = layer.uses;
  const call = use && more.length === 0 ? source.callAt(use) : undefined;
  const name = attributeOf(layer);
  const callee = call?.node.callee;
  if (!call || callee?.kind !== "Attribute" || callee.name !== name) refuse(`${layer.scope} is not called in one place`);
  const [argument, ...others] = call.node.args;
  if (argument?.form !== "positional" || others.length > 0) refuse(`${layer.scope} is called with more than one argument`);
  return { ...call, argument: source.locate(call.top, argument.value) };
}

/** The attribute that a layer hangs under; a number for items of containers. */
export function attributeOf(layer: Layer): string {
  return layer.scope.split(/[./]/).at(-1)!;
}

/** How a person names a layer. */
export function nameOf(layer: Layer): string {
  return shortPath(layer.scope);
}

/** A call that is an item of `nn.Sequential(...)`, or of a list. */
export interface Item {
  readonly container: Call;
  readonly items: readonly Located<Syntax.Expr>[];
  readonly index: number;
}

/** Where a call stands in an `nn.Sequential`, if it does. */
export function sequentialItem({ source }: Site, call: Call): Item | undefined {
  for (const e of expressionsIn(call.top.node)) {
    if (e.kind !== "Call" || !/(^|\.)Sequential$/.test(source.source(call.top, e.callee))) continue;
    if (e.args.some((a) => a.form !== "positional")) continue;
    const items = e.args.map((a) => source.locate(call.top, a.value));
    const index = items.findIndex((i) => i.start === call.start && i.end === call.end);
    if (index >= 0) return { container: { ...source.locate(call.top, e), top: call.top }, items, index };
  }
  return undefined;
}

/** Puts an item behind another one, on a line of its own where that one has one. */
export function insertBehind({ source }: Site, draft: Draft, item: Located<unknown>, code: string): void {
  const line = source.text.lastIndexOf("\n", item.start - 1) + 1;
  const indent = source.text.slice(line, item.start);
  draft.insert(item.end, indent.trim() === "" ? `,${source.eol}${indent}${code}` : `, ${code}`);
}

/** Puts an item before another one. */
export function insertAhead({ source }: Site, draft: Draft, item: Located<unknown>, code: string): void {
  const line = source.text.lastIndexOf("\n", item.start - 1) + 1;
  const indent = source.text.slice(line, item.start);
  draft.insert(item.start, indent.trim() === "" ? `${code},${source.eol}${indent}` : `${code}, `);
}

/** The statement `self.name = ...` that makes a layer, where the call is all of its right-hand side. @throws NotEditable */
export function assignmentOf({ source }: Site, call: Call): Located<Syntax.Stmt> {
  const found = source.statementAt(call.start)?.statement;
  if (found?.node.kind !== "Assign" && found?.node.kind !== "Annotated") refuse("the layer is not assigned to an attribute");
  const value = found.node.value && source.locate(call.top, found.node.value);
  const targets = found.node.kind === "Assign" ? found.node.targets : [found.node.target];
  const [target, ...more] = targets;
  const isOwn = target?.kind === "Attribute" && target.object.kind === "Name" && target.object.id === "self";
  if (!isOwn || more.length > 0 || value?.start !== call.start || value.end !== call.end) {
    refuse("the layer is not assigned to an attribute of its own");
  }
  return found;
}

/** Layers whose weight a parametrisation can write: one matrix or kernel, read by nothing but the layer. */
const PLAIN: ReadonlySet<string> = new Set(["Linear", "Conv1d", "Conv2d", "Conv3d"]);

/**
 * The call of a layer whose weight may be computed from other parameters. @throws NotEditable where some code reads or sets the
 * weight, which would not reach what trains
 */
export function computable(site: Site, parameter: string, kinds: ReadonlySet<string> = PLAIN): { layer: Layer; call: Call } {
  const layer = layerOf(site.subject.model, parameter) ?? refuse(`${parameter} is no layer's`);
  if (!kinds.has(layer.kind)) refuse(`${layer.kind} is not a layer with one plain weight`);
  if (!/(^|\.)weight$/.test(parameter)) refuse(`${parameter} is not the weight of its layer`);
  const { text } = site.source;
  if (/\.weight\b|named_parameters|\.data\b/.test(codeOf(text))) refuse("code reads or sets weights directly");
  if (site.subject.model.inventory?.ties.some((t) => t.names.includes(parameter))) refuse("the weight is tied to another one");
  const call = constructorOf(site, layer);
  return { layer, call };
}

function codeOf(text: string): string {
  return text.replace(/("""|''')[\s\S]*?\1/g, "").replace(/#.*$/gm, "");
}

function sameRange(a: Layer["constructor"], b: Layer["constructor"]): boolean {
  return a.file === b.file && a.start.line === b.start.line && a.start.column === b.start.column;
}
