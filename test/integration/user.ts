/**
 * @file A person in front of VS Code: keys, clicks, and what is to be seen, in dialogs, menus and webviews too. Works in the
 * rig (vscode-rig/), whose browser listens at $VSCODE_HANDS; in another VS Code tests that need it are skipped.
 */

const HANDS = process.env["VSCODE_HANDS"];

/** Skips a test where there is nobody to press keys. */
export function needsUser(test: Mocha.Context): void {
  if (HANDS === undefined) test.skip();
}

async function ask(request: Readonly<Record<string, unknown>>): Promise<unknown> {
  if (HANDS === undefined) throw new Error("there is nobody to press keys: begin the test with needsUser(this)");
  const response = await fetch(HANDS, { method: "POST", body: JSON.stringify(request) });
  const { error, value } = (await response.json()) as { readonly error?: string; readonly value?: unknown };
  if (error !== undefined) throw new Error(error);
  return value;
}

/** Presses keys one after the other, such as `Control+s`. */
export async function press(...keys: readonly string[]): Promise<void> {
  await ask({ keys });
}

/** Types a text where the focus is. */
export async function type(text: string): Promise<void> {
  await ask({ text });
}

/** Whether the operating system asks for less motion. */
export async function preferMotion(reducedMotion: "reduce" | "no-preference"): Promise<void> {
  await ask({ reducedMotion });
}

let pictures: Promise<unknown> = Promise.resolve();

/** The window as it looks now, into a PNG file; nothing where there is nobody to look. */
export function takePicture(file: string): void {
  if (HANDS !== undefined) pictures = Promise.allSettled([pictures, ask({ picture: file })]);
}

/** Waits for all pictures. */
export async function picturesTaken(): Promise<void> {
  await pictures;
}

/** Something in the window, by selector and text: the first that fits, and visible where something is done with it. */
export class Seen {
  constructor(
    private readonly webview: boolean,
    private readonly path: readonly (readonly [selector: string, text?: string])[],
  ) {}

  /** Something within it. */
  at(selector: string, text?: string): Seen {
    return new Seen(this.webview, [...this.path, text === undefined ? [selector] : [selector, text]]);
  }

  click(): Promise<unknown> {
    return this.#does("click");
  }

  focus(): Promise<unknown> {
    return this.#does("focus");
  }

  hover(): Promise<unknown> {
    return this.#does("hover");
  }

  /** Gives it the focus and presses a key. */
  press(key: string): Promise<unknown> {
    return this.#does("press", key);
  }

  fill(text: string): Promise<unknown> {
    return this.#does("fill", text);
  }

  choose(option: string): Promise<unknown> {
    return this.#does("selectOption", option);
  }

  check(checked = true): Promise<unknown> {
    return this.#does("setChecked", checked);
  }

  /** Waits until it is there. */
  shown(): Promise<unknown> {
    return this.#does("waitFor", { state: "visible" });
  }

  /** Waits until it is not there any more. */
  gone(): Promise<unknown> {
    return this.#does("waitFor", { state: "hidden" });
  }

  async text(): Promise<string> {
    return String(await this.#does("innerText"));
  }

  /** The texts of all that fit. */
  async texts(): Promise<readonly string[]> {
    return (await this.#does("allInnerTexts")) as string[];
  }

  async count(): Promise<number> {
    return Number(await this.#does("count"));
  }

  async attribute(name: string): Promise<string | undefined> {
    const value = await this.#does("getAttribute", name);
    return typeof value === "string" ? value : undefined;
  }

  /** What a screen reader would find in it: roles, names and states, as Playwright writes them. */
  async spoken(): Promise<string> {
    return String(await this.#does("ariaSnapshot"));
  }

  #does(does: string, ...args: readonly unknown[]): Promise<unknown> {
    return ask({ webview: this.webview, path: this.path, does, args });
  }
}

/** Something in the workbench. */
export function seen(selector: string, text?: string): Seen {
  return new Seen(false, []).at(selector, text);
}

/** Something in the webview that is visible. */
export function inPage(selector: string, text?: string): Seen {
  return new Seen(true, []).at(selector, text);
}
