/** @file Stand-ins. */
export const visionPrelude: Readonly<Record<string, string>> = {};
