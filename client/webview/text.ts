/** @file The page's own words in the language of the editor. The host hands over the translations that VS Code has. */

let translations: Readonly<Record<string, string>> = {};

/** Sets the translations: English texts and what stands for them. */
export function translateWith(bundle: Readonly<Record<string, string>>): void {
  translations = bundle;
}

/** A text in the editor's language, with `{0}`, `{1}` replaced. English texts are the keys of l10n/bundle.l10n.json. */
export function t(text: string, ...values: readonly (string | number)[]): string {
  return (translations[text] ?? text).replace(/\{(\d+)\}/g, (whole, index: string) => {
    const value = values[Number(index)];
    return value === undefined ? whole : String(value);
  });
}
