/** @file Rules that judge measures: their documented examples, probed; and what is found again while the code stays as it is. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { Prober } from "../../probe/probe";
import { rules } from "../../rules/registry";
import { Linter } from "../linter";
import { Loader } from "../models";
import { measuredFindings } from "./findings";
import { recordsFolder } from "./records";
import { runProbe } from "./session";

const prober = new Prober();
const folder = mkdtempSync(path.join(tmpdir(), "noether-records-"));
after(() => {
  prober.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const loader = () => new Loader({ analysis: { numeric: false } });

/** What a probe of some code makes rules say. */
async function probed(file: string, code: string, records?: string) {
  writeFileSync(file, code);
  const loaded = await loader().load(file);
  const [model] = loaded.models;
  const options = { steps: 300, replicas: 3, ...(records === undefined ? {} : { records }) };
  const record = await runProbe({ model: model!, facts: loaded.facts!() }, options, { prober });
  return measuredFindings(loaded, model!, record);
}

describe("rules that judge measures", () => {
  const measuredRules = rules.filter((r) => r.measured);
  for (const what of ["bad", "fixed", "good"] as const) {
    it(`do what their ${what} examples say when those are probed`, async () => {
      // Several rules share examples.
      for (const code of new Set(measuredRules.map((r) => r.examples[what]))) {
        const found = (await probed(path.join(folder, "example.py"), code)).map((f) => f.rule);
        for (const { id } of measuredRules.filter((r) => r.examples[what] === code)) {
          assert.equal(found.includes(id), what === "bad", `${id}, ${what}: ${found.join()}`);
        }
      }
    });
  }

  it("find again what a probe measured, as long as model and settings stay as they were", async () => {
    const file = path.join(folder, "net.py");
    const code = rules.find((r) => r.id === "dead-units")!.examples.bad;
    const records = recordsFolder(file, {});
    const found = await probed(file, code, records);
    assert.equal(recordsFolder(file, { NOETHER_CACHE_DIR: "elsewhere" }), path.join("elsewhere", "records"));
    assert.ok(records.startsWith(folder));
    const dead = async (text: string) => {
      writeFileSync(file, text);
      return (await new Linter({ configuration: false }).lint(file)).findings.filter((f) => f.rule === "dead-units");
    };
    assert.deepEqual(
      (await dead(code)).map((f) => f.message),
      found.filter((f) => f.rule === "dead-units").map((f) => f.message),
    );
    assert.match((await dead(`# A comment moves it.\n${code}`))[0]!.message, /units of `fc1` died in the probe/);
    assert.deepEqual(await dead(code.replace("weight_decay=0.05", "weight_decay=0.01")), [], "other settings");
    assert.deepEqual(await dead(code.replaceAll("32", "33")), [], "another model");
    const [model] = (await loader().load(file)).models;
    writeFileSync(file, code);
    const { measured } = (await loader().load(file)).models[0]!.training!();
    assert.ok(
      measured!.some((m) => (m.units?.dead.value ?? 0) > 1),
      "collapse risks see it",
    );
    assert.equal(model!.training!().measured, undefined);
  });
});
