/** All texts below a folder, sorted; each stands for itself in English. */
export declare function translatableTexts(folder: string): Record<string, string>;
/** All texts below a folder that are tagged, as keys: `{0}`, `{1}` for values, in the order in which they are written. */
export declare function taggedTexts(folder: string): Record<string, string>;
/** All texts of the repository at `root`. */
export declare function allTexts(root: string): Record<string, string>;
