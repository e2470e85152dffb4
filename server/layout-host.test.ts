import assert from "node:assert/strict";
import path from "node:path";
import { after, describe, it } from "node:test";
import { LayoutHost } from "./layout-host";

const MODULE = { path: path.join(import.meta.dirname, "worker", "layout.ts"), execArgv: ["--import", "tsx"] };
const never = new AbortController().signal;

function chain(n: number) {
  return {
    boxes: Array.from({ length: n }, (_, i) => ({ id: `b${i}`, width: 80, height: 30 })),
    lines: Array.from({ length: n - 1 }, (_, i) => [`b${i}`, `b${i + 1}`] as const),
  };
}

describe("the process that lays drawings out", () => {
  const host = new LayoutHost(MODULE);
  after(() => host.dispose());

  it("answers, remembers, and goes on after it was stopped", async () => {
    const made = await host.layout(chain(3), never);
    assert.equal(made.boxes.length, 3);
    assert.equal(await host.layout(chain(3), never), made, "the same answer without asking again");
    const stop = new AbortController();
    const long = host.layout(chain(4_000), stop.signal);
    stop.abort();
    await assert.rejects(long, { name: "AbortError" });
    assert.equal((await host.layout(chain(2), never)).boxes.length, 2);
  });
});
