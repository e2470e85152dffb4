/** @file What the front end says about a file. */
import type { Graph } from "../../../graph/graph";
import type { SourceRange } from "../../../graph/source";
import type { Inventory } from "./inventory";
import type { PythonLayer } from "./layers";

/** One class statement. */
export interface PythonClass {
  readonly name: string;
  /** The name in the class statement. */
  readonly range: SourceRange;
  readonly bases: readonly string[];
}

/** Something that could not be followed. */
export interface OpaquePlace {
  readonly operator: string;
  readonly range: SourceRange;
  readonly reason: string;
}

/** A model that could be evaluated. */
export interface PythonModel {
  readonly name: string;
  /** The name in the class statement. */
  readonly range: SourceRange;
  readonly graph: Graph;
  /** Calls on tensors that were followed, and all of them. */
  readonly understood: number;
  readonly calls: number;
  readonly opaque: readonly OpaquePlace[];
  /** "from its defaults", "as `resnet18()` makes it", ... */
  readonly howInstantiated: string;
  /** The call that makes it, as Python text in the names of its file; absent where an argument has no text. */
  readonly construction?: string;
  readonly layers: readonly PythonLayer[];
  readonly inventory: Inventory;
  readonly notes: readonly string[];
  /** Sizes and other things that do not fit, in words; what they concern is opaque. */
  readonly contradictions: readonly string[];
}

/** A class of modules with a forward that no graph could be made for. */
export interface UnmadeModel {
  readonly name: string;
  /** The name in the class statement. */
  readonly range: SourceRange;
  /** Whether no instance could be made, or its forward could not be followed to an end. */
  readonly stage: "construction" | "forward";
  readonly reason: string;
}

/** Something that the author should know about the analysis, not about the model. */
export interface PythonProblem {
  readonly range: SourceRange;
  readonly message: string;
  /** True where the text does not parse. */
  readonly syntax?: true;
}
