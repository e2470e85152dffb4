/** @file Stand-ins. */
export const layersPrelude: Readonly<Record<string, string>> = {};
