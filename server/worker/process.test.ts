import assert from "node:assert/strict";
import { fork } from "node:child_process";
import path from "node:path";
import { after, describe, it } from "node:test";
import type { AnalysisCall } from "./messages";
import { AnalysisProcess, type AnalysisFailure } from "./process";

const FAKE = { path: path.join(import.meta.dirname, "..", "testing", "fake-worker.ts"), execArgv: ["--import", "tsx"] };
const never = new AbortController().signal;

function python(text: string): AnalysisCall {
  return { method: "analysePython", args: ["m.py", text] };
}

function failure(kind: AnalysisFailure["kind"]): (error: AnalysisFailure) => boolean {
  return (error) => error.name === "AnalysisFailure" && error.kind === kind;
}

describe("an analysis process", () => {
  const made: AnalysisProcess[] = [];
  const make = (options = { grace: 60_000 }, module = FAKE): AnalysisProcess => {
    const made1 = new AnalysisProcess(module, options);
    made.push(made1);
    return made1;
  };
  after(() => {
    for (const p of made) p.dispose();
  });

  it("answers with the last of several calls", async () => {
    const certify: AnalysisCall = { method: "certify", args: ["m.py"] };
    const result = await make().run({ calls: [python("class A"), certify], signal: never, timeLimit: 20_000 });
    assert.equal("hovers" in result && result.hovers[0]?.markdown, "**A** certified");
  });

  it("refuses what is aborted before and while it waits", async () => {
    const process = make();
    await assert.rejects(process.run({ calls: [python("")], signal: AbortSignal.abort(), timeLimit: 20_000 }), {
      name: "AbortError",
    });
    const first = process.run({ calls: [python("SLOW")], signal: never, timeLimit: 20_000 });
    const controller = new AbortController();
    const second = process.run({ calls: [python("CRASH")], signal: controller.signal, timeLimit: 20_000 });
    controller.abort();
    await assert.rejects(second, { name: "AbortError" });
    assert.equal((await first).path, "m.py");
    assert.equal((await process.run({ calls: [python("")], signal: never, timeLimit: 20_000 })).path, "m.py");
  });

  it("is ended when an aborted job does not end by itself, and works again", async () => {
    const process = make({ grace: 0 });
    await process.run({ calls: [python("")], signal: never, timeLimit: 20_000 });
    const controller = new AbortController();
    const hanging = process.run({ calls: [python("HANG")], signal: controller.signal, timeLimit: 600_000 });
    controller.abort();
    await assert.rejects(hanging, { name: "AbortError" });
    assert.equal((await process.run({ calls: [python("class A")], signal: never, timeLimit: 20_000 })).models.length, 1);
  });

  it("fails only the job that crashed it, again and again", async () => {
    const process = make();
    const run = (text: string) => process.run({ calls: [python(text)], signal: never, timeLimit: 20_000 });
    for (let i = 0; i < 3; i++) {
      const crash = run("CRASH");
      const next = run("class A");
      await assert.rejects(crash, failure("crash"));
      assert.equal((await next).models.length, 1);
    }
  });

  it("does not leave callers waiting for a process that cannot start", async () => {
    const process = make({ grace: 60_000 }, { path: path.join(import.meta.dirname, "no-such-file.ts"), execArgv: [] });
    await assert.rejects(process.run({ calls: [python("")], signal: never, timeLimit: 20_000 }), (error: AnalysisFailure) => {
      assert.match(error.detail ?? "", /no-such-file/);
      return failure("crash")(error);
    });
  });

  it("ends with its parent, even when that is killed", async () => {
    const parent = fork(path.join(import.meta.dirname, "..", "testing", "parent.ts"), [], { execArgv: ["--import", "tsx"] });
    const pid = await new Promise<number>((resolve) => parent.once("message", (message) => resolve(Number(message))));
    parent.kill("SIGKILL");
    const alive = (): boolean => {
      try {
        return globalThis.process.kill(pid, 0);
      } catch {
        return false;
      }
    };
    const end = Date.now() + 20_000;
    while (alive() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(alive(), false);
  });
});
