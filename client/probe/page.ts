/** @file The probe panel's page: an empty frame that the bundled script fills. */

/** What the page loads, as URIs that its webview may load. */
export interface PageSources {
  readonly script: string;
  readonly style: string;
  /** `webview.cspSource`. */
  readonly origin: string;
  /** Language of the editor, such as `en`. */
  readonly language: string;
  /** What VS Code keeps for the panel over a reload. */
  readonly state: unknown;
}

/**
 * The page as HTML. Nothing but the extension's own script and styles may load, nothing can be sent anywhere, and no text of
 * a model is in it: that comes by messages.
 */
export function probePage({ language, origin, script, state, style }: PageSources): string {
  const policy = `default-src 'none'; script-src ${origin}; style-src ${origin}; img-src data:`;
  return `<!DOCTYPE html>
<html lang="${escape(language)}"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Noether Probe</title>
<link rel="stylesheet" href="${escape(style)}">
<script type="module" src="${escape(script)}"></script></head>
<body><main id="root" data-state="${escape(JSON.stringify(state))}"></main></body></html>`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
