/** @file Entries of the recurrent family. */
import type { Operator } from "./operator";

/** Entries of the recurrent family. */
export const recurrentOperators: readonly Operator[] = [];
