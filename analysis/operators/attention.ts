/** @file Entries of the attention family. */
import type { Operator } from "./operator";

/** Entries of the attention family. */
export const attentionOperators: readonly Operator[] = [];
