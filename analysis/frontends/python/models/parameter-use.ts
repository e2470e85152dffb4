/** @file What a constructor does with a parameter: calls it, reads its attributes, or keeps it as a layer. */
import type { Expr, Stmt } from "../parser/syntax";
import type { FunctionValue } from "../values/value";
import { is } from "../values/inspect";

/** How a parameter is used. */
export interface ParameterUse {
  /** The constructor calls it: it is a class or a function. */
  readonly isCalled: boolean;
  /** It is kept as an attribute that another method calls: it is a layer. */
  readonly isModule: boolean;
  /** It is kept as an attribute, or used directly, in the head of a loop. */
  readonly isIterated: boolean;
  /** Attributes that are read of it. */
  readonly attributes: readonly string[];
}

type Syntax = Expr | Stmt;

function visit(x: unknown, see: (node: Syntax) => void): void {
  if (typeof x !== "object" || x === null) return;
  if (Array.isArray(x)) {
    for (const y of x) visit(y, see);
    return;
  }
  if ("kind" in x) see(x as Syntax);
  for (const v of Object.values(x)) if (typeof v === "object") visit(v, see);
}

/** `self.layers`, or `enumerate(self.layers)`, of an attribute that is kept. */
function isKept(x: Expr, kept: ReadonlySet<string>): boolean {
  if (x.kind === "Call") return x.args.some((a) => isKept(a.value, kept));
  return x.kind === "Attribute" && x.object.kind === "Name" && kept.has(x.name);
}

const known = new WeakMap<object, Map<string, ParameterUse>>();

/** The use of a parameter of a method; methods of the same class are looked through for calls of what it is kept as. */
export function useOf(owner: FunctionValue, name: string): ParameterUse {
  const before = known.get(owner.body)?.get(name);
  if (before) return before;
  let isCalled = false;
  let isIterated = false;
  const attributes: string[] = [];
  const kept = new Set<string>();
  visit(owner.body, (node) => {
    if (node.kind === "Call" && node.callee.kind === "Name" && node.callee.id === name) isCalled = true;
    if (node.kind === "Attribute" && node.object.kind === "Name" && node.object.id === name) attributes.push(node.name);
    if (node.kind === "Assign" && node.value.kind === "Name" && node.value.id === name) {
      for (const t of node.targets) if (t.kind === "Attribute" && t.object.kind === "Name") kept.add(t.name);
    }
  });
  let isModule = false;
  for (const c of kept.size > 0 ? (owner.owner?.order ?? []) : []) {
    for (const [method, f] of c.attributes) {
      if (method === "__init__" || !is(f, "function")) continue;
      visit(f.body, (node) => {
        if (node.kind === "For" && isKept(node.iterable, kept)) isIterated = true;
        if (node.kind !== "Call" || node.callee.kind !== "Attribute") return;
        const { object } = node.callee;
        if (object.kind === "Name" && object.id === "self" && kept.has(node.callee.name)) isModule = true;
        // A method of what is kept is called: it is an object at least.
        if (object.kind === "Attribute" && kept.has(object.name) && object.object.kind === "Name")
          attributes.push(node.callee.name);
      });
    }
  }
  const use = { isCalled, isModule, isIterated, attributes };
  const uses = known.get(owner.body) ?? new Map<string, ParameterUse>();
  uses.set(name, use);
  known.set(owner.body, uses);
  return use;
}
