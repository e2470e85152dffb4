import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, it } from "node:test";
import { CancellationTokenSource } from "vscode-languageserver/node";
import { PROBE_NOTIFICATION, PROBE_REQUEST, type ProbeAnswer, type ProbeEvent, type ProbeNotice } from "./protocol";
import { Harness } from "./testing/harness";

const URI = "file:///project/net.py";

/** A server with one open document, and a way to probe it. */
async function probing(text: string, test: (probe: Probe, server: Harness) => Promise<void>): Promise<void> {
  const server = await Harness.start({ configuration: { certify: "never" } });
  try {
    const events: ProbeEvent[] = [];
    server.client.onNotification(PROBE_NOTIFICATION, ({ event, id }: ProbeNotice) => {
      assert.equal(id, "1");
      events.push(event);
    });
    await server.open(URI, text);
    const source = new CancellationTokenSource();
    const ask = (uri = URI): Promise<ProbeAnswer> =>
      server.client.sendRequest(PROBE_REQUEST, { id: "1", uri, model: "Net", choices: { steps: 7 } }, source.token);
    const process = async (): Promise<number> => {
      await server.until("the process's note", () => events.some((e) => e.kind === "note"));
      return Number(events.find((e) => e.kind === "note")!.text);
    };
    await test({ ask, cancel: () => source.cancel(), events, process }, server);
  } finally {
    await server.stop();
  }
}

interface Probe {
  readonly ask: (uri?: string) => Promise<ProbeAnswer>;
  readonly cancel: () => void;
  readonly events: readonly ProbeEvent[];
  /** Id of the process of the probe. */
  readonly process: () => Promise<number>;
}

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function ended(pid: number): Promise<void> {
  for (let tries = 0; alive(pid); tries++) {
    assert.ok(tries < 1_000, "the process goes on");
    await sleep(10);
  }
}

describe("probes", () => {
  it("tell what they do, answer, and let diagnostics be pulled anew", () =>
    probing("class Net", async ({ ask, events }, server) => {
      await server.pull(URI);
      const before = server.refreshes;
      const { html, record } = await ask();
      assert.deepEqual([record.model, record.steps, html], ["Net", 7, "<p>Net</p>"]);
      assert.deepEqual(
        events.map((e) => e.kind),
        ["started", "note", "points"],
      );
      await server.until("a refresh", () => server.refreshes > before);
    }));

  it("end at once when cancelled, their process too, while the server answers", () =>
    probing("class Net LONG", async ({ ask, cancel, process: pidOf }, server) => {
      const asked = ask();
      const rejected = assert.rejects(asked, /cancelled/);
      const pid = await pidOf();
      assert.equal((await server.pull(URI)).kind, "full");
      cancel();
      await rejected;
      await ended(pid);
    }));

  it("say why there is no result", async () => {
    await probing("class Net FAILS", ({ ask }) => assert.rejects(ask(), /the fake probe failed/));
    await probing("class Net DIES", ({ ask }) => assert.rejects(ask(), /was ended by SIGKILL; perhaps memory ran out/));
    await probing("class Net", ({ ask }) => assert.rejects(ask("vscode-vfs://github/a.py"), /save a local copy/));
  });

  it("end with the server", async () => {
    let pid = 0;
    await probing("class Net LONG", async ({ ask, process: pidOf }) => {
      ask().catch(() => {}); // the server goes away
      pid = await pidOf();
    });
    await ended(pid);
  });
});
