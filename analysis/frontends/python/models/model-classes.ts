/** @file Which classes of a file are models. */
import { findInClass } from "../evaluator/attributes";
import type { Stmt } from "../parser/syntax";
import type { ClassValue } from "../values/value";
import { frameworkOf, TORCH } from "./framework";

/** Whether a class is a module that can be called. */
export function isModel(cls: ClassValue): boolean {
  const framework = frameworkOf(cls);
  if (framework.isModel) return framework.isModel(cls);
  if (framework !== TORCH) return findInClass(cls, framework.method) !== undefined;
  return cls.order.some((c) => c.name === "Module" && !c.module) && findInClass(cls, "forward") !== undefined;
}

/** Whether a statement of a module's top level, or of one of its branches there, defines a class of the name. */
export function definesClass(s: Stmt, name: string): boolean {
  if (s.kind === "ClassDef") return s.name === name;
  if (s.kind === "If" || s.kind === "Try") return [...s.body, ...s.otherwise].some((b) => definesClass(b, name));
  return false;
}
