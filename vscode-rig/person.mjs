// A person at the workbench, as tests around VS Code and screenshots need one: every step waits for what it leads to.

/** Tries until it works, for a minute at most. */
export async function retry(attempt) {
  for (const end = Date.now() + 60_000; ; ) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

/** What a person does on a page that shows the workbench. */
export function personAt(page) {
  return { command, hover, open, place };

  /** Hovers over a word of a line until the hover says something. */
  async function hover(line, word, text, timeout = 30_000) {
    const { x, y } = await place(line, word);
    await page.mouse.move(x - 30, y + 120);
    await page.locator(".monaco-hover:visible").waitFor({ state: "hidden" });
    await page.mouse.move(x, y, { steps: 5 });
    await page.locator(".monaco-hover:visible", { hasText: text }).first().waitFor({ timeout });
  }

  /** The middle of a word on the screen, in the first line that contains a text. */
  async function place(line, word) {
    await page.locator(".view-line", { hasText: line }).first().waitFor();
    return page.evaluate(
      ([wanted, part]) => {
        const plain = (text) => text.replaceAll("\u00a0", " ");
        const row = [...document.querySelectorAll(".view-line")].find((l) => plain(l.textContent).includes(wanted));
        let from = plain(row.textContent).indexOf(part);
        let length = part.length;
        const range = document.createRange();
        const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
        for (let node = walker.nextNode(), started = false; node !== null; node = walker.nextNode()) {
          const size = node.textContent.length;
          if (!started && from < size) {
            range.setStart(node, from);
            started = true;
          }
          if (started && from + length <= size) {
            range.setEnd(node, from + length);
            break;
          }
          from -= size;
        }
        const { left, top, width, height } = range.getBoundingClientRect();
        return { x: left + width / 2, y: top + height / 2 };
      },
      [line, word],
    );
  }

  /** Runs a command from the palette, with an answer to the question it asks. */
  async function command(title, answer) {
    const input = page.locator(".quick-input-widget input");
    // A page that has just opened may take the focus, and the palette goes.
    await retry(async () => {
      await page.keyboard.press("F1");
      await input.waitFor({ timeout: 3_000 });
      await input.fill(`>${title}`, { timeout: 3_000 });
      const row = page.locator(".quick-input-list .monaco-list-row", { hasText: title }).first();
      try {
        await row.waitFor({ timeout: 10_000 });
      } catch (error) {
        // The palette shows what suits where the focus was when it opened: an editor that was just opened has it later.
        await page.keyboard.press("Escape");
        throw error;
      }
    });
    await page.keyboard.press("Enter");
    if (answer !== undefined) {
      // The question may take its time; until then the keys would go elsewhere.
      await page.waitForFunction(() => {
        const asked = document.querySelector(".quick-input-widget input");
        return asked !== null && asked.checkVisibility() && !asked.value.startsWith(">");
      });
      await input.pressSequentially(answer);
      if (!/^\d+$/.test(answer)) {
        await page.locator(".quick-input-list .monaco-list-row.focused", { hasText: answer }).first().waitFor();
      }
      await page.keyboard.press("Enter");
    }
    await page.locator(".quick-input-widget").waitFor({ state: "hidden" });
  }

  /** Opens a file of the workspace by name. */
  async function open(name) {
    const input = page.locator(".quick-input-widget input");
    // Not by Control+P: where no editor has the focus, that prints the page.
    await retry(async () => {
      await page.keyboard.press("F1");
      await input.waitFor({ timeout: 3_000 });
      await input.fill(name, { timeout: 3_000 });
      await page.locator(".quick-input-list .monaco-list-row", { hasText: name }).first().waitFor({ timeout: 10_000 });
    });
    await page.keyboard.press("Enter");
    await page.locator(".tab.active", { hasText: name }).waitFor();
  }
}
