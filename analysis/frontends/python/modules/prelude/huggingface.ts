/** @file Stand-ins. */
export const huggingFacePrelude: Readonly<Record<string, string>> = {};
