/** @file The blocks that a statement holds. */
import type { Block, Stmt } from "./syntax";

/** The blocks of a compound statement, in the order of the text; none of a simple one. */
export function blocksOf(s: Stmt): readonly Block[] {
  switch (s.kind) {
    case "FunctionDef":
    case "ClassDef":
    case "With":
      return [s.body];
    case "If":
    case "For":
    case "While":
      return [s.body, s.otherwise];
    case "Try":
      return [s.body, ...s.handlers.map((h) => h.body), s.otherwise, s.final];
    case "Match":
      return s.cases.map((c) => c.body);
    default:
      return [];
  }
}
