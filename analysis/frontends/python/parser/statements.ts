/** @file From concrete nodes to statements. Errors are skipped over, keeping the statements that can still be read. */
import { ExpressionReader } from "./expressions";
import type { ConcreteNode } from "./parser";
import type { Block, Expr, Handler, Stmt } from "./syntax";

/** Alternatives (elif) of one statement that are read; each is nested in the one before, and generated code has thousands. */
const MOST_ALTERNATIVES = 400;

/** Reads the statements of one chunk. */
export class StatementReader extends ExpressionReader {
  /** All statements of a module, block or error node. */
  block(node: ConcreteNode | undefined): Block {
    const out: Stmt[] = [];
    if (node) for (const c of this.named(node)) this.statement(c, out);
    return out;
  }

  private body(node: ConcreteNode, name = "body"): Block {
    const out: Stmt[] = [];
    for (const c of node.children) {
      // Statements that error recovery moved out of the block still belong to it.
      if (c.field === name && c.type === "block") for (const b of this.named(c)) this.statement(b, out);
      else if (c.type === "ERROR") this.statement(c, out);
    }
    return out;
  }

  private statement(node: ConcreteNode, out: Stmt[]): void {
    const { s, e } = node;
    switch (node.type) {
      case "expression_statement":
        for (const c of this.named(node)) this.simple(c, node, out);
        return;
      case "function_definition":
      case "class_definition":
        this.definition(node, [], s, out);
        return;
      case "decorated_definition": {
        const decorators = this.named(node)
          .filter((c) => c.type === "decorator")
          .flatMap((c) => this.named(c).map((d) => this.expression(d)));
        const inner = this.field(node, "definition");
        if (inner) this.definition(inner, decorators, s, out);
        return;
      }
      case "if_statement":
        out.push(this.ifStatement(node));
        return;
      case "for_statement":
        out.push({
          kind: "For",
          s,
          e,
          target: this.required(node, "left"),
          iterable: this.required(node, "right"),
          body: this.body(node),
          otherwise: this.elseOf(node),
        });
        return;
      case "while_statement":
        out.push({
          kind: "While",
          s,
          e,
          test: this.required(node, "condition"),
          body: this.body(node),
          otherwise: this.elseOf(node),
        });
        return;
      case "try_statement":
        this.tryStatement(node, out);
        return;
      case "with_statement":
        out.push({ kind: "With", s, e, items: this.withItems(node), body: this.body(node) });
        return;
      case "return_statement": {
        const value = this.named(node)[0];
        out.push(value ? { kind: "Return", s, e, value: this.expression(value) } : { kind: "Return", s, e });
        return;
      }
      case "raise_statement": {
        const value = this.named(node)[0];
        out.push(value ? { kind: "Raise", s, e, value: this.expression(value) } : { kind: "Raise", s, e });
        return;
      }
      case "assert_statement": {
        const test = this.named(node)[0];
        if (test) out.push({ kind: "Assert", s, e, test: this.expression(test) });
        return;
      }
      case "import_statement":
        out.push({ kind: "Import", s, e, names: this.importNames(node) });
        return;
      case "import_from_statement":
        out.push(this.importFrom(node));
        return;
      case "future_import_statement":
      case "type_alias_statement":
        return;
      case "global_statement":
      case "nonlocal_statement":
        out.push({
          kind: node.type === "global_statement" ? "Global" : "Nonlocal",
          s,
          e,
          names: this.named(node).map((c) => this.source(c)),
        });
        return;
      case "pass_statement":
        out.push({ kind: "Pass", s, e });
        return;
      case "break_statement":
        out.push({ kind: "Break", s, e });
        return;
      case "continue_statement":
        out.push({ kind: "Continue", s, e });
        return;
      case "delete_statement":
        out.push({ kind: "Delete", s, e, targets: this.named(node).flatMap((c) => this.flat(this.expression(c))) });
        return;
      case "match_statement":
        out.push(this.matchStatement(node));
        return;
      case "ERROR":
        this.errors.push({ s, e });
        for (const c of this.named(node)) if (STATEMENTS.has(c.type)) this.statement(c, out);
        return;
      case "comment":
        return;
      default:
        // Python 2's print and exec statements, and anything new: its parts are evaluated for nothing.
        out.push({ kind: "Expression", s, e, value: this.broken(node) });
    }
  }

  private flat(x: Expr): Expr[] {
    return x.kind === "Tuple" ? [...x.items] : [x];
  }

  private simple(node: ConcreteNode, whole: ConcreteNode, out: Stmt[]): void {
    const { s, e } = whole;
    if (node.type === "assignment") {
      const targets: Expr[] = [];
      let current = node;
      for (;;) {
        const left = this.field(current, "left");
        if (left) targets.push(this.expression(left));
        const right = this.field(current, "right");
        const type = this.field(current, "type");
        const first = targets[0];
        if (type && first && targets.length === 1) {
          const annotated = { kind: "Annotated", s, e, target: first, annotation: this.expression(type) } as const;
          out.push(right ? { ...annotated, value: this.expression(right) } : annotated);
          return;
        }
        if (right?.type === "assignment") {
          current = right;
          continue;
        }
        out.push({ kind: "Assign", s, e, targets, value: right ? this.expression(right) : { kind: "Broken", s, e, parts: [] } });
        return;
      }
    }
    if (node.type === "augmented_assignment") {
      const token = node.children.find((c) => c.field === "operator") ?? node.children.find((c) => !c.named);
      out.push({
        kind: "Augmented",
        s,
        e,
        target: this.required(node, "left"),
        operator: token ? this.source(token).slice(0, -1) : "",
        value: this.required(node, "right"),
      });
      return;
    }
    out.push({ kind: "Expression", s, e, value: this.expression(node) });
  }

  private definition(node: ConcreteNode, decorators: readonly Expr[], s: number, out: Stmt[]): void {
    const name = this.field(node, "name");
    if (!name) return;
    const common = {
      name: this.source(name),
      nameSpan: { s: name.s, e: name.e },
      s,
      e: node.e,
      decorators,
      body: this.body(node),
    };
    if (node.type === "class_definition") {
      const bases = this.field(node, "superclasses");
      out.push({ kind: "ClassDef", ...common, bases: bases ? this.args(bases) : [] });
      return;
    }
    const params = this.field(node, "parameters");
    const comment = params ? TYPE_COMMENT.exec(this.text.slice(params.e, params.e + 600)) : null;
    const typeComment = comment?.[1];
    const returns = this.field(node, "return_type");
    out.push({
      kind: "FunctionDef",
      ...common,
      params: params ? this.params(params) : [],
      ...(typeComment !== undefined ? { typeComment } : {}),
      ...(returns ? { returns: this.expression(returns) } : {}),
    });
  }

  private elseOf(node: ConcreteNode): Block {
    const clause = node.children.find((c) => c.type === "else_clause");
    return clause ? this.body(clause) : [];
  }

  private ifStatement(node: ConcreteNode): Stmt {
    const clauses = node.children.filter((c) => c.type === "elif_clause");
    const cut = clauses[MOST_ALTERNATIVES];
    let otherwise: Block = this.elseOf(node);
    if (cut) otherwise = [{ kind: "Expression", s: cut.s, e: node.e, value: { kind: "Broken", s: cut.s, e: node.e, parts: [] } }];
    for (const c of clauses.slice(0, MOST_ALTERNATIVES).reverse()) {
      otherwise = [
        { kind: "If", s: c.s, e: c.e, test: this.required(c, "condition"), body: this.body(c, "consequence"), otherwise },
      ];
    }
    return {
      kind: "If",
      s: node.s,
      e: node.e,
      test: this.required(node, "condition"),
      body: this.body(node, "consequence"),
      otherwise,
    };
  }

  private tryStatement(node: ConcreteNode, out: Stmt[]): void {
    const handlers: Handler[] = [];
    let final: Block = [];
    for (const c of node.children) {
      if (c.type === "except_clause" || c.type === "except_group_clause") {
        const value = this.field(c, "value") ?? this.named(c).find((n) => n.type !== "block");
        const alias = value?.type === "as_pattern" ? this.field(value, "alias") : undefined;
        const block = this.named(c).find((n) => n.type === "block");
        const handler = { s: c.s, e: c.e, name: alias ? this.source(alias) : "", body: this.block(block) };
        handlers.push(value ? { ...handler, type: this.expression(value) } : handler);
      } else if (c.type === "finally_clause") final = this.block(this.named(c).find((n) => n.type === "block"));
    }
    out.push({ kind: "Try", s: node.s, e: node.e, body: this.body(node), handlers, otherwise: this.elseOf(node), final });
  }

  private withItems(node: ConcreteNode): { value: Expr; target?: Expr }[] {
    const out: { value: Expr; target?: Expr }[] = [];
    const visit = (n: ConcreteNode): void => {
      if (n.type === "with_clause" || n.type === "tuple" || n.type === "parenthesized_expression") {
        for (const c of this.named(n)) visit(c);
      } else if (n.type === "with_item") {
        const v = this.field(n, "value");
        if (v) visit(v);
      } else if (n.type === "as_pattern") {
        const alias = this.field(n, "alias");
        const value = this.named(n)[0];
        if (value && alias) out.push({ value: this.expression(value), target: this.expression(alias) });
      } else out.push({ value: this.expression(n) });
    };
    for (const c of this.named(node)) if (c.type === "with_clause") visit(c);
    return out;
  }

  private importNames(node: ConcreteNode): { name: string; alias?: string }[] {
    const out: { name: string; alias?: string }[] = [];
    for (const c of this.fields(node, "name")) {
      if (c.type === "aliased_import") {
        const name = this.field(c, "name");
        const alias = this.field(c, "alias");
        if (name) out.push(alias ? { name: this.dotted(name), alias: this.source(alias) } : { name: this.dotted(name) });
      } else out.push({ name: this.dotted(c) });
    }
    return out;
  }

  private dotted(node: ConcreteNode): string {
    return this.source(node).replace(/\s+/g, "");
  }

  private importFrom(node: ConcreteNode): Stmt {
    const module = this.field(node, "module_name");
    const text = module ? this.dotted(module) : "";
    const level = /^\.*/.exec(text)?.[0].length ?? 0;
    const star = node.children.some((c) => c.type === "wildcard_import");
    return {
      kind: "ImportFrom",
      s: node.s,
      e: node.e,
      module: text.slice(level),
      level,
      names: star ? "*" : this.importNames(node),
    };
  }

  private matchStatement(node: ConcreteNode): Stmt {
    const body = this.field(node, "body");
    const cases = (body ? this.named(body) : [])
      .filter((c) => c.type === "case_clause")
      .map((c) => {
        const patterns = this.named(c).filter((n) => n.type === "case_pattern");
        const pattern = patterns.length === 1 ? this.pattern(patterns[0]!) : ({ kind: "unknown" } as const);
        const guard = this.field(c, "guard");
        const test = guard ? this.named(guard)[0] : undefined;
        const base = { pattern, body: this.block(this.field(c, "consequence")) };
        return test ? { ...base, guard: this.expression(test) } : base;
      });
    return { kind: "Match", s: node.s, e: node.e, subject: this.required(node, "subject"), cases };
  }
}

/** `# type: (A, B) -> C` after the colon of a definition, on the same line or the next. */
const TYPE_COMMENT = /^[^\n]*:[ \t]*\n?[ \t]*#\s*type:\s*\((.*)\)\s*->/;

const STATEMENTS = new Set([
  "expression_statement",
  "function_definition",
  "class_definition",
  "decorated_definition",
  "if_statement",
  "for_statement",
  "while_statement",
  "try_statement",
  "with_statement",
  "return_statement",
  "raise_statement",
  "assert_statement",
  "import_statement",
  "import_from_statement",
  "pass_statement",
  "block",
  "ERROR",
]);
