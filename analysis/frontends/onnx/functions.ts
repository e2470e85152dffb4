/**
 * @file Model-local functions: nodes that call one are replaced by its body, so that the rest sees standard operators.
 * PyTorch's newer exporter and export_modules_as_functions write models in this way.
 */
import { type AttributeProto, type FunctionProto, type GraphProto, NodeProtoSchema, type NodeProto } from "./generated/onnx_pb";
import { create } from "@bufbuild/protobuf";

/** Nodes that inlining may make in all, against functions that double at each level. */
const MAX_INLINED_NODES = 200_000;
const MAX_CALL_DEPTH = 64;

/** A copy of a message with some fields replaced; proto2 presence stays right, which an object spread would lose. */
export function derive<T extends object>(message: T, changes: Partial<T>): T {
  return Object.assign(Object.create(Object.getPrototypeOf(message) as object) as T, message, changes);
}

function key(domain: string, name: string, overload: string): string {
  return `${domain === "ai.onnx" ? "" : domain}\0${name}\0${overload}`;
}

/** Replaces calls of model-local functions. */
export class FunctionInliner {
  private readonly functions = new Map<string, FunctionProto>();
  private made = 0;
  private calls = 0;

  /** @param notes what could not be inlined is said here */
  constructor(
    functions: readonly FunctionProto[],
    private readonly notes: string[],
  ) {
    for (const f of functions) this.functions.set(key(f.domain, f.name, f.overload), f);
  }

  /** The nodes of a graph with all calls replaced, also in nested graphs. The same array where there is nothing to do. */
  inline(nodes: readonly NodeProto[]): readonly NodeProto[] {
    if (this.functions.size === 0) return nodes;
    const out: NodeProto[] = [];
    for (const node of nodes) this.expand(node, [], out);
    return out;
  }

  private expand(node: NodeProto, stack: readonly FunctionProto[], out: NodeProto[]): void {
    const f = this.functions.get(key(node.domain, node.opType, node.overload));
    const label = () => `function ${node.domain}.${node.opType}${node.name === "" ? "" : ` (node ${node.name})`}`;
    if (f && stack.includes(f)) this.note(`${label()} calls itself and stays opaque`);
    else if (f && stack.length >= MAX_CALL_DEPTH) this.note(`${label()} is nested too deeply and stays opaque`);
    else if (f && this.made + f.node.length > MAX_INLINED_NODES) {
      this.note(`${label()} stays opaque: inlining made more than ${MAX_INLINED_NODES} nodes already`);
    } else if (f && node.input.length > f.input.length) this.note(`${label()} has more inputs than it declares and stays opaque`);
    else if (f) {
      this.made += f.node.length;
      this.body(node, f, [...stack, f], out);
      return;
    }
    out.push(this.nestedGraphs(node, stack));
  }

  private note(text: string): void {
    if (this.notes.length < 100 && !this.notes.includes(text)) this.notes.push(text);
  }

  private nestedGraphs(node: NodeProto, stack: readonly FunctionProto[]): NodeProto {
    if (!node.attribute.some((a) => a.g !== undefined)) return node;
    const attribute = node.attribute.map((a) => {
      if (!a.g) return a;
      const inner: NodeProto[] = [];
      for (const n of a.g.node) this.expand(n, stack, inner);
      return derive(a, { g: derive(a.g, { node: inner }) });
    });
    return derive(node, { attribute });
  }

  private body(call: NodeProto, f: FunctionProto, stack: readonly FunctionProto[], out: NodeProto[]): void {
    // The number keeps names apart where calls are unnamed or share a name.
    const prefix = `${call.name === "" ? call.opType : call.name}#${this.calls++}`;
    const names = new Map<string, string>();
    f.input.forEach((formal, i) => names.set(formal, call.input[i] ?? ""));
    const copies: [from: string, to: string][] = [];
    f.output.forEach((formal, i) => {
      const actual = call.output[i] ?? "";
      if (actual === "") return;
      // An output that is an input, or listed twice, needs a node of its own.
      if (names.has(formal)) copies.push([formal, actual]);
      else names.set(formal, actual);
    });
    const rename = (name: string): string => {
      if (name === "") return "";
      let to = names.get(name);
      if (to === undefined) {
        to = `${prefix}/${name}`;
        names.set(name, to);
      }
      return to;
    };
    const given = new Map<string, AttributeProto>();
    for (const a of f.attributeProto) given.set(a.name, a);
    for (const a of call.attribute) given.set(a.name, a);

    for (const node of f.node) {
      const base = call.name === "" ? prefix : call.name;
      const named = node.name === "" ? "" : `${base}/${node.name.replace(/^\//, "")}`;
      this.expand(derive(this.substitute(node, rename, given), { name: named }), stack, out);
    }
    for (const [from, to] of copies) {
      out.push(create(NodeProtoSchema, { opType: "Identity", input: [rename(from)], output: [to] }));
    }
  }

  /** A body node with its names and attribute references replaced, nested graphs included. */
  private substitute(node: NodeProto, rename: (name: string) => string, given: ReadonlyMap<string, AttributeProto>): NodeProto {
    const attribute: AttributeProto[] = [];
    for (const a of node.attribute) {
      if (a.refAttrName !== "") {
        const value = given.get(a.refAttrName);
        // An attribute that the caller left out and that has no default is left out here too.
        if (value) attribute.push(derive(value, { name: a.name }));
      } else if (a.g) attribute.push(derive(a, { g: this.substituteGraph(a.g, rename, given) }));
      else attribute.push(a);
    }
    return derive(node, { input: node.input.map(rename), output: node.output.map(rename), attribute });
  }

  private substituteGraph(
    graph: GraphProto,
    rename: (name: string) => string,
    given: ReadonlyMap<string, AttributeProto>,
  ): GraphProto {
    const value = <T extends { name: string }>(v: T): T => derive(v, { name: rename(v.name) } as Partial<T>);
    return derive(graph, {
      node: graph.node.map((n) => this.substitute(n, rename, given)),
      initializer: graph.initializer.map(value),
      input: graph.input.map(value),
      output: graph.output.map(value),
      valueInfo: graph.valueInfo.map(value),
    });
  }
}
