/** @file Looking into constants. */
import { elementCount } from "../graph/tensor";
import type { Value } from "./values";

/** Larger constants are not looked into: they are tables and frozen weights, read from the file on demand. */
const LARGEST_READ = 65_536;

/** The entries of a constant that is small enough to be looked into; undefined also where its file cannot be read. */
export function smallConstant(value: Value | undefined): Float64Array | undefined {
  const constant = value?.constant;
  if (constant === undefined || elementCount(constant.shape) > LARGEST_READ) return undefined;
  try {
    return constant.data;
  } catch {
    return undefined;
  }
}
