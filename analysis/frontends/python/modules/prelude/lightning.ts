/** @file Stand-ins. */
export const lightningPrelude: Readonly<Record<string, string>> = {};
