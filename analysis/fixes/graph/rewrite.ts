/** @file What a rewrite of a graph is: the fixes of exported models, which change weights and nodes and write a new file. */
import type { Graph } from "../../graph/graph";
import type { CheckedModel } from "../../rules/checked";

/** What a rewrite made. */
export interface Rewritten {
  readonly graph: Graph;
  /** What was changed, in sentences. */
  readonly changes: readonly string[];
  /** Where it differs from what the rewrite says of itself. */
  readonly outputs?: GraphRewrite["outputs"];
}

/** A fix as a rewrite of the graph. */
export interface GraphRewrite {
  /** The same as of the fix in source, where there is one. */
  readonly id: string;
  /** In a sentence or two. */
  readonly description: string;
  /**
   * same: the outputs stay what they are, whatever the inputs. start: they stay at first, and training goes another way.
   * other: the model computes something else.
   */
  readonly outputs: "same" | "start" | "other";
  /**
   * @param fresh draws what is new like a layer's own parameters, for training from the start, instead of making it so that the
   *   outputs stay
   * @throws NotEditable, with the reason, where there is nothing to do
   */
  apply(model: Pick<CheckedModel, "graph" | "normal">, options: RewriteOptions): Rewritten;
}

/** How a graph is rewritten. */
export interface RewriteOptions {
  /** The parameters in question; all that fit where absent. */
  readonly parameters?: readonly string[];
  readonly seed: number;
  readonly fresh: boolean;
}
