/**
 * @file A Graph in ONNX's text syntax (docs/Syntax.md of the ONNX project), one statement a line, with the places of
 * everything that has a name. Weights are written as their types alone: the values of millions of entries are no text.
 */
import { CAPTURED_INPUTS, formalInputs, type Graph, type Node } from "../../../graph/graph";
import { type ElementType, elementCount, type Tensor } from "../../../graph/tensor";
import { isFloatAttribute, listKind } from "../float-attributes";
import type { DeclaredSize, DeclaredType } from "../types";
import { floatText, integerText, isPrintable, typeText, valuesText } from "./literals";
import { identifier, Names, type NameStyle, quotable, unquoted } from "./names";

/** What a file says besides its graph. */
export interface FileHeader {
  readonly irVersion: number;
  /** Version by domain; the standard one is "". */
  readonly opsets: ReadonlyMap<string, number>;
  /** Inputs and outputs as declared, with the names of their symbolic sizes. */
  readonly declared: readonly DeclaredType[];
}

/** How a graph is printed. */
export interface TextOptions {
  readonly names?: NameStyle;
  /** What the file says; made up from the graph where there is no file. */
  readonly header?: FileHeader;
  /** Comment lines at the top, without `#`. */
  readonly comments?: readonly string[];
}

/** A place on one line of the text, zero based; columns count UTF-16 code units. */
export interface TextPlace {
  readonly line: number;
  readonly start: number;
  readonly end: number;
}

/** A node's statement. */
export interface NodePlace {
  readonly node: Node;
  /** Where its operator's name stands. */
  readonly operator: TextPlace;
  /** The last line, where nested graphs make it more than one. */
  readonly lastLine: number;
}

/** A part of the text that may be folded away, by its first and last line. */
export interface Section {
  readonly title: string;
  readonly first: number;
  readonly last: number;
}

/** The text of a graph, and what is where. */
export interface GraphText {
  readonly text: string;
  readonly nodes: readonly NodePlace[];
  /** Where each parameter is declared, and where nodes read it. */
  readonly parameters: ReadonlyMap<string, readonly TextPlace[]>;
  readonly sections: readonly Section[];
}

/** Prints a graph. */
export function graphText(graph: Graph, options: TextOptions = {}): GraphText {
  return new Printer(options).print(graph);
}

/** The version of the file format that knows a version of the standard operator set. */
function formatOf(opset: number): number {
  return opset <= 18 ? 8 : opset <= 20 ? 9 : 10;
}

class Printer {
  readonly #lines: string[] = [];
  readonly #nodes: NodePlace[] = [];
  readonly #parameters = new Map<string, TextPlace[]>();
  readonly #sections: Section[] = [];
  readonly #names: Names;
  readonly #style: NameStyle;

  constructor(private readonly options: TextOptions) {
    this.#style = options.names ?? "quoted";
    this.#names = new Names(this.#style);
  }

  print(graph: Graph): GraphText {
    const { header, comments } = this.options;
    for (const comment of comments ?? []) this.#lines.push(`# ${comment.replace(/[\r\n]+/g, " ")}`);
    const domains = new Map(header?.opsets ?? [["", graph.opset]]);
    for (const domain of domainsOf(graph)) if (!domains.has(domain)) domains.set(domain, 1);
    const imports = [...domains].map(([domain, version]) => `"${unquoted(domain)}" : ${version}`);
    this.#lines.push(`<ir_version: ${header?.irVersion ?? formatOf(graph.opset)}, opset_import: [${imports.join(", ")}]>`);
    const declared = new Map((header?.declared ?? []).map((d) => [d.name, d]));
    const value = (name: string, type: ElementType, shape: readonly number[] | undefined): string => {
      const known = declared.get(name);
      return this.#typed(name, known?.type ?? type, known?.sizes ?? shape);
    };
    this.#signature(graph, value, "", "");
    this.#initialisers(graph);
    this.#body(graph, "");
    return {
      text: `${this.#lines.join("\n")}\n`,
      nodes: this.#nodes,
      parameters: this.#parameters,
      sections: this.#sections,
    };
  }

  /** `name (inputs) => (outputs)`, with something before it on its line. */
  #signature(
    graph: Graph,
    value: (name: string, type: ElementType, shape: readonly number[] | undefined) => string,
    indent: string,
    before: string,
  ): void {
    const inputs = graph.inputs.map((i) =>
      value(i.name, i.type, graph.types.has(i.name) ? graph.types.get(i.name)!.shape : i.shape),
    );
    const outputs = graph.outputs.map((name) => {
      const known = graph.types.get(name);
      return value(name, known?.type ?? "other", known?.shape);
    });
    this.#lines.push(
      `${indent}${before}${this.#label(graph.name === "" ? "graph" : graph.name)} (${inputs.join(", ")}) => (${outputs.join(", ")})`,
    );
  }

  #label(name: string): string {
    return this.#style === "quoted" ? quotable(name) : identifier(name);
  }

  #typed(name: string, type: ElementType, sizes: readonly DeclaredSize[] | undefined): string {
    return `${typeText(type, sizes, (symbol) => this.#label(symbol))} ${this.#names.value(name)}`;
  }

  /** Parameters and constants, one a line, by what they are. */
  #initialisers(graph: Graph): void {
    const all = [...graph.parameters.values()];
    const groups: { readonly title: string; readonly entries: readonly (() => string)[]; readonly names?: readonly string[] }[] =
      [];
    const parameters = (title: string, list: typeof all): void => {
      if (list.length === 0) return;
      const entries = list.map((p) => () => this.#typed(p.name, p.type, p.shape));
      groups.push({ title, entries, names: list.map((p) => p.name) });
    };
    parameters(
      "parameters",
      all.filter((p) => p.trainable),
    );
    parameters(
      "not trained",
      all.filter((p) => !p.trainable),
    );
    const constants = [...graph.constants];
    if (constants.length > 0) {
      groups.push({
        title: "constants",
        entries: constants.map(
          ([name, t]) =>
            () =>
              this.#constant(name, t),
        ),
      });
    }
    if (groups.length === 0) return;
    const begin = this.#lines.push("<") - 1;
    groups.forEach((group, k) => {
      const first = this.#lines.push(`  # ${group.title}`) - 1;
      group.entries.forEach((entry, i) => {
        const last = k === groups.length - 1 && i === group.entries.length - 1;
        const text = `  ${entry()}`;
        const line = this.#lines.push(last ? text : `${text},`) - 1;
        const name = group.names?.[i];
        if (name !== undefined) this.#mark(name, { line, start: text.length - this.#names.value(name).length, end: text.length });
      });
      this.#sections.push({ title: group.title, first, last: this.#lines.length - 1 });
    });
    this.#lines.push(">");
    this.#sections.push({ title: "weights and constants", first: begin, last: this.#lines.length - 1 });
  }

  #constant(name: string, t: Tensor): string {
    const declared = this.#typed(name, t.type, t.shape);
    if (!isPrintable(t) || !t.data.every((v) => Number.isFinite(v) || this.#style === "quoted")) return declared;
    return `${declared} = ${valuesText(t)}`;
  }

  #mark(parameter: string, place: TextPlace): void {
    const known = this.#parameters.get(parameter);
    if (known) known.push(place);
    else this.#parameters.set(parameter, [place]);
  }

  #body(graph: Graph, indent: string): void {
    const first = this.#lines.push(`${indent}{`) - 1;
    for (const node of graph.nodes) this.#node(node, graph, `${indent}  `);
    this.#lines.push(`${indent}}`);
    if (indent === "") this.#sections.push({ title: "nodes", first, last: this.#lines.length - 1 });
  }

  #node(node: Node, graph: Graph, indent: string): void {
    const outputs = node.outputs.map((o) => this.#names.value(o)).join(", ");
    // PyTorch names a node's first value after the node: then the label would only say it twice.
    const named = this.#style === "quoted" && !isNamedAfter(node.outputs[0] ?? "", node.name);
    const before = `${indent}${named ? `[${quotable(node.name)}] ` : ""}${outputs} = `;
    const operator = node.domain === "" ? node.operator : `${node.domain}.${node.operator}`;
    const line = this.#lines.length;
    const place = { line, start: before.length, end: before.length + operator.length };
    const nested: [string, Graph][] = [];
    const attributes: string[] = [];
    for (const [name, value] of Object.entries(node.attributes)) {
      if (name === CAPTURED_INPUTS) continue;
      if (isGraph(value)) nested.push([name, value]);
      else {
        const text = this.#attribute(name, value);
        if (text !== undefined) attributes.push(text);
      }
    }
    let text = `${before}${operator}`;
    if (nested.length > 0) {
      this.#lines.push(`${text} <`);
      nested.forEach(([name, inner], i) => {
        this.#nested(inner, `${indent}  `, `${identifier(name)} = `, i < nested.length - 1 || attributes.length > 0);
      });
      text = attributes.length > 0 ? `${indent}  ${attributes.join(", ")}> ` : `${indent}> `;
    } else text += attributes.length > 0 ? ` <${attributes.join(", ")}> ` : " ";
    text += "(";
    formalInputs(node).forEach((name, i) => {
      if (i > 0) text += ", ";
      const written = this.#names.value(name);
      if (graph.parameters.has(name)) {
        this.#mark(name, { line: this.#lines.length, start: text.length, end: text.length + written.length });
      }
      text += written;
    });
    this.#lines.push(`${text})`);
    this.#nodes.push({ node, operator: place, lastLine: this.#lines.length - 1 });
  }

  #nested(graph: Graph, indent: string, before: string, more: boolean): void {
    this.#signature(graph, (name, type, shape) => this.#typed(name, type, shape), indent, before);
    this.#initialisersOf(graph, indent);
    this.#body(graph, indent);
    if (more) this.#lines.push(`${this.#lines.pop()!},`);
  }

  /** Constants of a nested graph, on one line. */
  #initialisersOf(graph: Graph, indent: string): void {
    const constants = [...graph.constants].map(([name, t]) => this.#constant(name, t));
    if (constants.length > 0) this.#lines.push(`${indent}<${constants.join(", ")}>`);
  }

  /** `name = value`; undefined for an empty list, which the syntax cannot write and which is the default wherever it is legal. */
  #attribute(name: string, value: Exclude<Node["attributes"][string], Graph>): string | undefined {
    const text = this.#attributeValue(name, value);
    return text === undefined ? undefined : `${identifier(name)} = ${text}`;
  }

  #attributeValue(name: string, value: Exclude<Node["attributes"][string], Graph>): string | undefined {
    if (typeof value === "number") return isFloatAttribute(name, value) ? floatText(value, true) : integerText(value);
    if (typeof value === "string") return `"${unquoted(value)}"`;
    if (isTensor(value)) {
      const type = typeText(value.type, value.shape);
      return `${type} ${isPrintable(value) ? valuesText(value) : "{}"}`;
    }
    if (value.length === 0) return undefined;
    const kind = listKind(name, value);
    const items = value.map((v) =>
      typeof v === "string" ? `"${unquoted(v)}"` : kind === "floats" ? floatText(v, true) : integerText(v),
    );
    return `[${items.join(", ")}]`;
  }
}

/** Whether a value's name is its node's with something behind it. */
function isNamedAfter(value: string, node: string): boolean {
  return value === node || (value.startsWith(node) && /^[_:.]/.test(value.slice(node.length)));
}

function isGraph(value: Node["attributes"][string]): value is Graph {
  return typeof value === "object" && "nodes" in value;
}

function isTensor(value: Exclude<Node["attributes"][string], Graph>): value is Tensor {
  return typeof value === "object" && "data" in value;
}

/** The domains that nodes of a graph use, those of nested graphs included. */
function domainsOf(graph: Graph): Set<string> {
  const out = new Set<string>();
  for (const node of graph.nodes) {
    out.add(node.domain);
    for (const value of Object.values(node.attributes)) if (isGraph(value)) for (const d of domainsOf(value)) out.add(d);
  }
  return out;
}

/** `62 nodes, 11,689,512 weights`, the comment at the head of a text. */
export function graphComment(graph: Graph): string {
  let weights = 0;
  for (const p of graph.parameters.values()) if (p.trainable) weights += elementCount(p.shape);
  return `${graph.nodes.length.toLocaleString("en")} nodes, ${weights.toLocaleString("en")} trained weights (shapes only)`;
}
