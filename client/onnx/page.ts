/** @file The page of the .onnx view: scripts and styles of our own, nothing else, nothing remote. */
import { escape } from "./report";

/** What the page is made of. */
export interface PageParts {
  /** New for each page. */
  readonly nonce: string;
  /** Where resources of the extension come from, as the webview names it. */
  readonly cspSource: string;
  readonly script: string;
  readonly style: string;
  /** Texts in the language of the editor, by English text. */
  readonly translations: Readonly<Record<string, string>>;
}

/** The page, empty until its script has heard of a file. */
export function viewPage(name: string, { nonce, cspSource, script, style, translations }: PageParts): string {
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src ${escape(cspSource)}; script-src 'nonce-${nonce}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(name)}</title><link rel="stylesheet" href="${escape(style)}"></head>
<body class="plain" data-translations="${escape(JSON.stringify(translations))}"><script type="module" nonce="${nonce}" src="${escape(script)}"></script></body></html>`;
}
