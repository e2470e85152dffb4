/** @file From concrete nodes to expressions. Whatever cannot be read becomes `Broken` around the parts that can. */
import { parseNumber, stringPrefix, unescapeString } from "./literals";
import type { ConcreteNode } from "./parser";
import type { Argument, ComprehensionClause, Expr, Param, Pattern, Span, StringPart } from "./syntax";

/** Reads expressions of one chunk; collects syntax errors on the way. */
export class ExpressionReader {
  readonly errors: Span[] = [];

  constructor(protected readonly text: string) {}

  protected source(node: Span): string {
    return this.text.slice(node.s, node.e);
  }

  protected named(node: ConcreteNode): ConcreteNode[] {
    return node.children.filter((c) => c.named && c.type !== "comment" && c.type !== "line_continuation");
  }

  protected field(node: ConcreteNode, name: string): ConcreteNode | undefined {
    return node.children.find((c) => c.field === name && c.type !== "comment");
  }

  protected fields(node: ConcreteNode, name: string): ConcreteNode[] {
    return node.children.filter((c) => c.field === name && c.named && c.type !== "comment");
  }

  protected broken(node: ConcreteNode): Expr {
    const parts = this.named(node).map((c) => this.expression(c));
    return { kind: "Broken", s: node.s, e: node.e, parts };
  }

  /** The expression under a field, or `Broken` where the tree has none. */
  protected required(node: ConcreteNode, name: string): Expr {
    const f = this.field(node, name);
    return f ? this.expression(f) : { kind: "Broken", s: node.s, e: node.e, parts: [] };
  }

  expression(node: ConcreteNode): Expr {
    const { s, e } = node;
    switch (node.type) {
      case "identifier":
      case "keyword_identifier":
      case "print":
      case "exec":
        if (s === e) return { kind: "Broken", s, e, parts: [] };
        return { kind: "Name", s, e, id: this.source(node) };
      case "dotted_name": {
        const parts = this.named(node);
        let out = this.expression(parts[0] ?? { ...node, type: "identifier", children: [] });
        for (const p of parts.slice(1))
          out = { kind: "Attribute", s, e: p.e, object: out, name: this.source(p), nameSpan: { s: p.s, e: p.e } };
        return out;
      }
      case "integer":
      case "float":
        return { kind: "Number", s, e, ...parseNumber(this.source(node)) };
      case "true":
        return { kind: "Constant", s, e, value: true };
      case "false":
        return { kind: "Constant", s, e, value: false };
      case "none":
        return { kind: "Constant", s, e, value: null };
      case "ellipsis":
        return { kind: "Constant", s, e, value: "..." };
      case "string":
        return this.string(node);
      case "concatenated_string":
        return this.concatenated(node);
      case "parenthesized_expression":
      case "type":
      case "as_pattern_target":
      case "format_expression": {
        const inner = this.named(node)[0];
        return inner ? this.expression(inner) : { kind: "Broken", s, e, parts: [] };
      }
      case "list":
      case "list_pattern":
        return { kind: "List", s, e, items: this.items(node) };
      case "tuple":
      case "tuple_pattern":
      case "pattern_list":
      case "expression_list":
        return { kind: "Tuple", s, e, items: this.items(node) };
      case "set":
        return { kind: "Set", s, e, items: this.items(node) };
      case "dictionary":
        return this.dictionary(node);
      case "binary_operator":
        return {
          kind: "Binary",
          s,
          e,
          operator: this.operator(node),
          left: this.required(node, "left"),
          right: this.required(node, "right"),
        };
      case "boolean_operator":
        return {
          kind: "Boolean",
          s,
          e,
          operator: this.operator(node) === "or" ? "or" : "and",
          left: this.required(node, "left"),
          right: this.required(node, "right"),
        };
      case "not_operator":
        return { kind: "Not", s, e, value: this.required(node, "argument") };
      case "unary_operator":
        return { kind: "Unary", s, e, operator: this.operator(node), value: this.required(node, "argument") };
      case "comparison_operator":
        return this.comparison(node);
      case "call":
        return this.call(node);
      case "attribute": {
        const name = this.field(node, "attribute");
        if (!name || name.s === name.e) {
          const object = this.field(node, "object");
          return { kind: "Broken", s, e, parts: object ? [this.expression(object)] : [] };
        }
        return {
          kind: "Attribute",
          s,
          e,
          object: this.required(node, "object"),
          name: this.source(name),
          nameSpan: { s: name.s, e: name.e },
        };
      }
      case "subscript": {
        const subscripts = this.fields(node, "subscript").map((c) => this.expression(c));
        const comma = node.children.some((c) => c.type === ",");
        const first = subscripts[0];
        const index: Expr =
          first && !comma ? first : { kind: "Tuple", s: first?.s ?? s, e: subscripts.at(-1)?.e ?? e, items: subscripts };
        return { kind: "Subscript", s, e, object: this.required(node, "value"), index };
      }
      case "slice":
        return this.slice(node);
      case "lambda": {
        const params = this.field(node, "parameters");
        return { kind: "Lambda", s, e, params: params ? this.params(params) : [], body: this.required(node, "body") };
      }
      case "conditional_expression": {
        const [then, test, otherwise] = this.named(node);
        if (!then || !test || !otherwise) return this.broken(node);
        return {
          kind: "Conditional",
          s,
          e,
          then: this.expression(then),
          test: this.expression(test),
          otherwise: this.expression(otherwise),
        };
      }
      case "named_expression":
        return { kind: "Named", s, e, target: this.required(node, "name"), value: this.required(node, "value") };
      case "list_comprehension":
        return this.comprehension(node, "list");
      case "set_comprehension":
        return this.comprehension(node, "set");
      case "generator_expression":
        return this.comprehension(node, "generator");
      case "dictionary_comprehension":
        return this.comprehension(node, "dict");
      case "await": {
        const inner = this.named(node)[0];
        return inner ? { kind: "Await", s, e, value: this.expression(inner) } : this.broken(node);
      }
      case "yield": {
        const inner = this.named(node)[0];
        const from = node.children.some((c) => c.type === "from");
        return inner ? { kind: "Yield", s, e, value: this.expression(inner), from } : { kind: "Yield", s, e, from };
      }
      case "list_splat":
      case "list_splat_pattern":
      case "dictionary_splat": {
        const inner = this.named(node)[0];
        return inner ? { kind: "Starred", s, e, value: this.expression(inner) } : this.broken(node);
      }
      case "as_pattern": {
        const inner = this.named(node)[0];
        return inner ? this.expression(inner) : this.broken(node);
      }
      case "union_type":
      case "generic_type":
      case "member_type":
      case "constrained_type":
      case "splat_type":
        return this.annotation(node);
      case "ERROR":
        this.errors.push({ s, e });
        return this.broken(node);
      default:
        return this.broken(node);
    }
  }

  private operator(node: ConcreteNode): string {
    const o = node.children.find((c) => c.field === "operator") ?? node.children.find((c) => !c.named);
    return o ? this.source(o) : "";
  }

  private items(node: ConcreteNode): Expr[] {
    return this.named(node).map((c) => starred(this.expression(c)));
  }

  /** `A | B`, `Optional[A]` and friends inside annotations: enough structure to find names in them. */
  private annotation(node: ConcreteNode): Expr {
    const parts = this.named(node).map((c) => (c.type === "type_parameter" ? this.broken(c) : this.expression(c)));
    const first = parts[0];
    if (node.type === "generic_type" && first) {
      return {
        kind: "Subscript",
        s: node.s,
        e: node.e,
        object: first,
        index: { kind: "Tuple", s: node.s, e: node.e, items: parts.slice(1) },
      };
    }
    return { kind: "Broken", s: node.s, e: node.e, parts };
  }

  private dictionary(node: ConcreteNode): Expr {
    const entries: { key?: Expr; value: Expr }[] = [];
    for (const c of this.named(node)) {
      if (c.type === "pair") entries.push({ key: this.required(c, "key"), value: this.required(c, "value") });
      else if (c.type === "dictionary_splat") {
        const inner = this.named(c)[0];
        if (inner) entries.push({ value: this.expression(inner) });
      } else if (c.type === "ERROR") this.errors.push({ s: c.s, e: c.e });
    }
    return { kind: "Dict", s: node.s, e: node.e, entries };
  }

  private comparison(node: ConcreteNode): Expr {
    const rest: { operator: string; value: Expr }[] = [];
    let first: Expr | undefined;
    let operator = "";
    for (const c of node.children) {
      if (c.field === "operators" || !c.named) operator = operator ? `${operator} ${this.source(c)}` : this.source(c);
      else if (c.type === "comment") continue;
      else if (!first) first = this.expression(c);
      else {
        rest.push({ operator: operator.replace(/\s+/g, " "), value: this.expression(c) });
        operator = "";
      }
    }
    if (!first) return this.broken(node);
    return { kind: "Compare", s: node.s, e: node.e, first, rest };
  }

  private call(node: ConcreteNode): Expr {
    const callee = this.required(node, "function");
    const list = this.field(node, "arguments");
    if (!list) return this.broken(node);
    if (list.type === "generator_expression") {
      const value = this.expression(list);
      const args: Argument[] = [{ form: "positional", name: "", s: list.s, e: list.e, value }];
      return { kind: "Call", s: node.s, e: node.e, callee, args, list: { s: list.s, e: list.e } };
    }
    return { kind: "Call", s: node.s, e: node.e, callee, args: this.args(list), list: { s: list.s, e: list.e } };
  }

  args(list: ConcreteNode): Argument[] {
    const out: Argument[] = [];
    for (const c of this.named(list)) {
      const { s, e } = c;
      if (c.type === "keyword_argument") {
        const name = this.field(c, "name");
        out.push({ form: "keyword", name: name ? this.source(name) : "", s, e, value: this.required(c, "value") });
      } else if (c.type === "list_splat" || c.type === "dictionary_splat") {
        const inner = this.named(c)[0];
        if (inner)
          out.push({ form: c.type === "list_splat" ? "star" : "doubleStar", name: "", s, e, value: this.expression(inner) });
      } else out.push({ form: "positional", name: "", s, e, value: this.expression(c) });
    }
    return out;
  }

  private slice(node: ConcreteNode): Expr {
    const parts: (Expr | undefined)[] = [undefined, undefined, undefined];
    let k = 0;
    for (const c of node.children) {
      if (c.type === ":") k++;
      else if (c.named && c.type !== "comment" && k < 3) parts[k] = this.expression(c);
    }
    const [lower, upper, step] = parts;
    return {
      kind: "Slice",
      s: node.s,
      e: node.e,
      ...(lower ? { lower } : {}),
      ...(upper ? { upper } : {}),
      ...(step ? { step } : {}),
    };
  }

  private comprehension(node: ConcreteNode, form: "list" | "set" | "dict" | "generator"): Expr {
    const clauses: { target: Expr; iterable: Expr; conditions: Expr[] }[] = [];
    for (const c of this.named(node)) {
      if (c.type === "for_in_clause") {
        const rights = this.fields(c, "right").map((r) => this.expression(r));
        const iterable: Expr = rights.length === 1 ? rights[0]! : { kind: "Tuple", s: c.s, e: c.e, items: rights };
        clauses.push({ target: this.required(c, "left"), iterable, conditions: [] });
      } else if (c.type === "if_clause") {
        const test = this.named(c)[0];
        if (test) clauses.at(-1)?.conditions.push(this.expression(test));
      }
    }
    const body = this.field(node, "body");
    if (!body || clauses.length === 0) return this.broken(node);
    const { s, e } = node;
    if (body.type === "pair") {
      return {
        kind: "Comprehension",
        s,
        e,
        form,
        body: this.required(body, "key"),
        value: this.required(body, "value"),
        clauses,
      };
    }
    return { kind: "Comprehension", s, e, form, body: this.expression(body), clauses: clauses as ComprehensionClause[] };
  }

  params(node: ConcreteNode): Param[] {
    const out: Param[] = [];
    let keywordOnly = false;
    for (const c of this.named(node)) {
      const { s, e } = c;
      switch (c.type) {
        case "identifier":
          out.push({ s, e, name: this.source(c), form: keywordOnly ? "keywordOnly" : "positional" });
          break;
        case "default_parameter":
        case "typed_default_parameter": {
          const name = this.field(c, "name");
          const type = this.field(c, "type");
          out.push({
            s,
            e,
            name: name ? this.source(name) : "",
            form: keywordOnly ? "keywordOnly" : "positional",
            defaultValue: this.required(c, "value"),
            ...(type ? { annotation: this.expression(type) } : {}),
          });
          break;
        }
        case "typed_parameter": {
          const type = this.field(c, "type");
          const inner = this.named(c)[0];
          if (!inner) break;
          const form =
            inner.type === "list_splat_pattern" ? "star" : inner.type === "dictionary_splat_pattern" ? "doubleStar" : undefined;
          const name = form ? this.named(inner)[0] : inner;
          if (form === "star") keywordOnly = true;
          out.push({
            s,
            e,
            name: name ? this.source(name) : "",
            form: form ?? (keywordOnly ? "keywordOnly" : "positional"),
            ...(type ? { annotation: this.expression(type) } : {}),
          });
          break;
        }
        case "list_splat_pattern":
        case "dictionary_splat_pattern": {
          const name = this.named(c)[0];
          const star = c.type === "list_splat_pattern";
          if (star) keywordOnly = true;
          out.push({ s, e, name: name ? this.source(name) : "", form: star ? "star" : "doubleStar" });
          break;
        }
        case "keyword_separator":
          keywordOnly = true;
          break;
        case "ERROR":
          this.errors.push({ s, e });
          break;
        default:
          break;
      }
    }
    return out;
  }

  private string(node: ConcreteNode): Expr {
    const { prefix, quote } = stringPrefix(this.source(node));
    const { s, e } = node;
    if (prefix.includes("f") || prefix.includes("t")) return { kind: "Format", s, e, parts: this.stringParts(node, prefix) };
    const body = this.text.slice(s + prefix.length + quote.length, Math.max(s + prefix.length + quote.length, e - quote.length));
    const value = prefix.includes("r") ? body : unescapeString(body);
    return { kind: prefix.includes("b") ? "Bytes" : "String", s, e, value };
  }

  private stringParts(node: ConcreteNode, prefix: string): StringPart[] {
    const parts: StringPart[] = [];
    for (const c of node.children) {
      if (c.type === "string_content") {
        const raw = this.source(c).replaceAll("{{", "{").replaceAll("}}", "}");
        parts.push(prefix.includes("r") ? raw : unescapeString(raw));
      } else if (c.type === "interpolation") {
        const value = this.required(c, "expression");
        const conversion = this.field(c, "type_conversion");
        const format = this.field(c, "format_specifier");
        parts.push({
          value,
          conversion: conversion ? this.source(conversion).slice(1) : "",
          format: format ? this.formatParts(format) : [],
        });
      }
    }
    return parts;
  }

  private formatParts(node: ConcreteNode): StringPart[] {
    const parts: StringPart[] = [];
    let at = node.s + 1;
    for (const c of this.named(node)) {
      if (c.s > at) parts.push(this.text.slice(at, c.s));
      parts.push({ value: this.expression(c), conversion: "", format: [] });
      at = c.e;
    }
    if (node.e > at) parts.push(this.text.slice(at, node.e));
    return parts;
  }

  private concatenated(node: ConcreteNode): Expr {
    const parts: StringPart[] = [];
    for (const c of this.named(node)) {
      const x = this.expression(c);
      if (x.kind === "String" || x.kind === "Bytes") parts.push(x.value);
      else if (x.kind === "Format") parts.push(...x.parts);
    }
    const { s, e } = node;
    if (parts.every((p) => typeof p === "string")) return { kind: "String", s, e, value: parts.join("") };
    return { kind: "Format", s, e, parts };
  }

  pattern(node: ConcreteNode): Pattern {
    if (node.type === "case_pattern") {
      const inner = this.named(node)[0];
      return inner ? this.pattern(inner) : this.source(node).trim() === "_" ? { kind: "wildcard" } : { kind: "unknown" };
    }
    if (node.type === "union_pattern") return { kind: "or", options: this.named(node).map((c) => this.pattern(c)) };
    if (node.type === "dotted_name") {
      const text = this.source(node);
      if (text === "_") return { kind: "wildcard" };
      return text.includes(".") ? { kind: "value", value: this.expression(node) } : { kind: "capture", name: text };
    }
    if (["integer", "float", "string", "concatenated_string", "true", "false", "none"].includes(node.type)) {
      return { kind: "value", value: this.expression(node) };
    }
    return { kind: "unknown" };
  }
}

/** `*x.shape`, of which the grammar says in lists without brackets that the shape of `*x` is meant: the star is outermost. */
function starred(x: Expr): Expr {
  const value = unstarred(x);
  return value ? { kind: "Starred", s: x.s, e: x.e, value } : x;
}

/** An attribute, call or item of something starred, without the star; undefined for others. */
function unstarred(x: Expr): Expr | undefined {
  const inside = (y: Expr): Expr | undefined => (y.kind === "Starred" ? y.value : unstarred(y));
  if (x.kind === "Attribute" || x.kind === "Subscript") {
    const object = inside(x.object);
    return object && { ...x, object };
  }
  if (x.kind !== "Call") return undefined;
  const callee = inside(x.callee);
  return callee && { ...x, callee };
}
