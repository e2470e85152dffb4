/** @file Entries of the composite family. */
import type { Operator } from "./operator";

/** Entries of the composite family. */
export const compositeOperators: readonly Operator[] = [];
