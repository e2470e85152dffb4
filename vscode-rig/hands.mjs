// What a person does and sees in VS Code, for tests: those run inside the extension host, which can neither press keys nor
// look into dialogs, menus and webviews. Requests come over loopback and name elements as Playwright does.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";

/** What may be done with an element, by the name of Playwright's method. */
const WITH_ELEMENTS = new Set([
  "allInnerTexts",
  "ariaSnapshot",
  "boundingBox",
  "click",
  "count",
  "fill",
  "focus",
  "getAttribute",
  "hover",
  "innerText",
  "press",
  "selectOption",
  "setChecked",
  "waitFor",
]);
/** Milliseconds until something that is waited for counts as missing. */
const PATIENCE = Number(process.env.VSCODE_HANDS_PATIENCE ?? 20_000);

/**
 * Serves one page of VS Code. A request is `{ keys: [...] }`, `{ text }`, `{ reducedMotion }`, `{ picture: FILE }`, or an element
 * with what is done: `{ webview: boolean, path: [[selector, text?], ...], does, args }`. The answer is `{ value }` or `{ error }`.
 * Returns { url, close }; whoever does not know the URL cannot use it.
 */
export async function startHands(page) {
  page.setDefaultTimeout(PATIENCE);
  page.setDefaultNavigationTimeout(60_000);
  const secret = `/${randomBytes(16).toString("hex")}`;
  const server = createServer(async (request, response) => {
    if (request.url !== secret || request.method !== "POST") return void response.writeHead(404).end();
    let answer;
    try {
      let body = "";
      for await (const chunk of request) body += chunk;
      answer = { value: (await act(page, JSON.parse(body))) ?? null };
    } catch (error) {
      answer = { error: String(error?.message ?? error) };
    }
    response.end(JSON.stringify(answer));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => new Promise((resolve) => server.close(resolve));
  return { url: `http://127.0.0.1:${server.address().port}${secret}`, close };
}

async function act(page, { args = [], does, keys, path, picture, reducedMotion, text, webview }) {
  if (keys) {
    for (const key of keys) await page.keyboard.press(key);
    return undefined;
  }
  if (text !== undefined) return page.keyboard.type(text);
  if (reducedMotion !== undefined) return page.emulateMedia({ reducedMotion });
  if (picture !== undefined) return void (await page.screenshot({ path: picture }));
  if (!WITH_ELEMENTS.has(does)) throw new Error(`nobody can ${does} an element`);
  const root = webview ? page.frameLocator("iframe.webview:visible").frameLocator("#active-frame") : page;
  let element;
  for (const [selector, hasText] of path) {
    const options = hasText === undefined ? {} : { hasText };
    element = element ? element.locator(selector, options) : root.locator(selector, options);
  }
  // Several may fit, as in a list; the first is meant, but for what is about all.
  return does === "count" || does === "allInnerTexts" ? element[does]() : element.first()[does](...args);
}
