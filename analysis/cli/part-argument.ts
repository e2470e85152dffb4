/** @file How a part of `noether check` knows that it is one. */

/** The argument that makes this program a part of another run of it. */
export const PART = "--part-of-check";
