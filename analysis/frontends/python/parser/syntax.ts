/**
 * @file The syntax tree of Python that the evaluator walks: small, typed, tolerant. Positions are offsets in UTF-16 code
 * units from the start of the chunk (the top-level statement, see document.ts) that the node belongs to, so that a chunk
 * that merely moved in its file keeps its tree.
 */

/** Half-open offsets [s, e) relative to the chunk. */
export interface Span {
  readonly s: number;
  readonly e: number;
}

/** One argument of a call, or one base of a class. */
export interface Argument extends Span {
  readonly form: "positional" | "keyword" | "star" | "doubleStar";
  /** The keyword; "" for the other forms. */
  readonly name: string;
  readonly value: Expr;
}

/** A parameter of a function or lambda. */
export interface Param extends Span {
  readonly name: string;
  readonly form: "positional" | "keywordOnly" | "star" | "doubleStar";
  readonly annotation?: Expr;
  readonly defaultValue?: Expr;
}

/** One `for ... in ... if ...` of a comprehension. */
export interface ComprehensionClause {
  readonly target: Expr;
  readonly iterable: Expr;
  readonly conditions: readonly Expr[];
}

/** A part of a string: text, or an expression of an f-string. */
export type StringPart = string | { readonly value: Expr; readonly conversion: string; readonly format: readonly StringPart[] };

/** An expression. */
export type Expr = Span &
  (
    | { readonly kind: "Name"; readonly id: string }
    | { readonly kind: "Number"; readonly value: number; readonly type: "int" | "float" | "complex" }
    | { readonly kind: "String"; readonly value: string }
    | { readonly kind: "Bytes"; readonly value: string }
    | { readonly kind: "Format"; readonly parts: readonly StringPart[] }
    | { readonly kind: "Constant"; readonly value: true | false | null | "..." }
    | { readonly kind: "List" | "Tuple" | "Set"; readonly items: readonly Expr[] }
    | { readonly kind: "Dict"; readonly entries: readonly { readonly key?: Expr; readonly value: Expr }[] }
    | { readonly kind: "Binary"; readonly operator: string; readonly left: Expr; readonly right: Expr }
    | { readonly kind: "Boolean"; readonly operator: "and" | "or"; readonly left: Expr; readonly right: Expr }
    | { readonly kind: "Not"; readonly value: Expr }
    | { readonly kind: "Unary"; readonly operator: string; readonly value: Expr }
    | {
        readonly kind: "Compare";
        readonly first: Expr;
        readonly rest: readonly { readonly operator: string; readonly value: Expr }[];
      }
    | {
        readonly kind: "Call";
        readonly callee: Expr;
        readonly args: readonly Argument[];
        /** The argument list with its parentheses. */
        readonly list: Span;
      }
    | { readonly kind: "Attribute"; readonly object: Expr; readonly name: string; readonly nameSpan: Span }
    | { readonly kind: "Subscript"; readonly object: Expr; readonly index: Expr }
    | { readonly kind: "Slice"; readonly lower?: Expr; readonly upper?: Expr; readonly step?: Expr }
    | { readonly kind: "Lambda"; readonly params: readonly Param[]; readonly body: Expr }
    | { readonly kind: "Conditional"; readonly test: Expr; readonly then: Expr; readonly otherwise: Expr }
    | { readonly kind: "Named"; readonly target: Expr; readonly value: Expr }
    | {
        readonly kind: "Comprehension";
        readonly form: "list" | "set" | "dict" | "generator";
        readonly body: Expr;
        /** The value of a dict comprehension, whose `body` is the key. */
        readonly value?: Expr;
        readonly clauses: readonly ComprehensionClause[];
      }
    | { readonly kind: "Await"; readonly value: Expr }
    | { readonly kind: "Yield"; readonly value?: Expr; readonly from: boolean }
    | { readonly kind: "Starred"; readonly value: Expr }
    | { readonly kind: "Broken"; readonly parts: readonly Expr[] }
  );

/** An expression of one kind. */
export type ExprOf<K extends Expr["kind"]> = Extract<Expr, { readonly kind: K }>;

/** Statements one after the other. */
export type Block = readonly Stmt[];

/** A `def`. */
export interface FunctionDef extends Span {
  readonly kind: "FunctionDef";
  readonly name: string;
  readonly nameSpan: Span;
  readonly params: readonly Param[];
  readonly body: Block;
  readonly decorators: readonly Expr[];
  /** Argument types of a `# type: (...) -> ...` comment. */
  readonly typeComment?: string;
  readonly returns?: Expr;
}

/** A `class`. */
export interface ClassDef extends Span {
  readonly kind: "ClassDef";
  readonly name: string;
  readonly nameSpan: Span;
  readonly bases: readonly Argument[];
  readonly body: Block;
  readonly decorators: readonly Expr[];
}

/** A `case` pattern of `match`. */
export type Pattern =
  | { readonly kind: "wildcard" }
  | { readonly kind: "capture"; readonly name: string }
  | { readonly kind: "value"; readonly value: Expr }
  | { readonly kind: "or"; readonly options: readonly Pattern[] }
  | { readonly kind: "unknown" };

/** An `except`. */
export interface Handler extends Span {
  readonly type?: Expr;
  readonly name: string;
  readonly body: Block;
}

/** A statement. */
export type Stmt =
  | FunctionDef
  | ClassDef
  | (Span &
      (
        | { readonly kind: "Expression"; readonly value: Expr }
        | { readonly kind: "Assign"; readonly targets: readonly Expr[]; readonly value: Expr }
        | { readonly kind: "Annotated"; readonly target: Expr; readonly annotation: Expr; readonly value?: Expr }
        | { readonly kind: "Augmented"; readonly target: Expr; readonly operator: string; readonly value: Expr }
        | { readonly kind: "If"; readonly test: Expr; readonly body: Block; readonly otherwise: Block }
        | {
            readonly kind: "For";
            readonly target: Expr;
            readonly iterable: Expr;
            readonly body: Block;
            readonly otherwise: Block;
          }
        | { readonly kind: "While"; readonly test: Expr; readonly body: Block; readonly otherwise: Block }
        | {
            readonly kind: "Try";
            readonly body: Block;
            readonly handlers: readonly Handler[];
            readonly otherwise: Block;
            readonly final: Block;
          }
        | {
            readonly kind: "With";
            readonly items: readonly { readonly value: Expr; readonly target?: Expr }[];
            readonly body: Block;
          }
        | { readonly kind: "Return"; readonly value?: Expr }
        | { readonly kind: "Raise"; readonly value?: Expr }
        | { readonly kind: "Assert"; readonly test: Expr }
        | { readonly kind: "Import"; readonly names: readonly { readonly name: string; readonly alias?: string }[] }
        | {
            readonly kind: "ImportFrom";
            /** Dotted name without leading dots. */
            readonly module: string;
            /** Number of leading dots. */
            readonly level: number;
            readonly names: readonly { readonly name: string; readonly alias?: string }[] | "*";
          }
        | { readonly kind: "Global" | "Nonlocal"; readonly names: readonly string[] }
        | { readonly kind: "Pass" | "Break" | "Continue" }
        | { readonly kind: "Delete"; readonly targets: readonly Expr[] }
        | {
            readonly kind: "Match";
            readonly subject: Expr;
            readonly cases: readonly { readonly pattern: Pattern; readonly guard?: Expr; readonly body: Block }[];
          }
      ));

/** A statement of one kind. */
export type StmtOf<K extends Stmt["kind"]> = Extract<Stmt, { readonly kind: K }>;
