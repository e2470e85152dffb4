/** @file Stand-ins. */
export const attentionPrelude: Readonly<Record<string, string>> = {};
