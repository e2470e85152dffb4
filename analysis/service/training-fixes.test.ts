/**
 * @file Fixes that change training, on testFixtures/fixes: whether each is offered where it should be, keeps the rest of the
 * text, and writes a program that PyTorch runs: import, forward, backward, steps of the optimiser, round trips of the states.
 *
 * Lines at the top of a fixture say what it takes: `# takes REMEDY PARAMETERS`, `# refuses REMEDY PARAMETERS: reason`.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { checkWithSubjects } from "../fixes/check";
import { sourceOf, trainingFix, trainingRemedies } from "../fixes/training/registry";
import type { CheckedFile } from "../rules/checked";
import type { Fix } from "../rules/finding";
import { checkedFile } from "./checked-file";
import { Loader } from "./models";
import { edited } from "./testing/edited";

const FOLDER = path.resolve(import.meta.dirname, "../../testFixtures/fixes");
const PYTHON = "/usr/bin/python3";
const LOOK = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)";
const hasTorch = spawnSync(PYTHON, ["-c", LOOK], { timeout: 60_000 }).status === 0;
const skip = hasTorch ? false : "python3 has no torch: what fixes write is not run here";

/** Remedies after which the network computes at first what it computed without them. */
const SAME_START: ReadonlySet<string> = new Set(
  "syre syre-diagonal syre-parametrization weight-norm dcs-sparse dcs-low-rank undecayed-factors weight-decay learning-rate decay-matrices".split(
    " ",
  ),
);

const HARNESS = `
import io, json, sys, types, warnings
import torch
warnings.simplefilter("ignore")

def round_trip(thing):
    buffer = io.BytesIO()
    torch.save(thing.state_dict(), buffer)
    buffer.seek(0)
    thing.load_state_dict(torch.load(buffer))

def pull(kind):
    "How far one step without gradient is from p - lr * decay * D * (p - anchor)."
    p = torch.nn.Parameter(torch.randn(3, 4))
    optimizer = kind([p], lr=0.1, weight_decay=0.5)
    group = optimizer.param_groups[0]
    p.grad = torch.zeros_like(p)
    old = p.detach().clone()
    if not issubclass(kind, (torch.optim.SGD, torch.optim.AdamW)):
        return 0.0
    optimizer.step()
    diagonal = 1 + group["spreads"][0] if "spreads" in group else 1
    want = old - 0.1 * 0.5 * diagonal * (old - group["anchors"][0])
    return (p - want).abs().max().item()

def run(code):
    module = types.ModuleType("program")
    sys.modules["program"] = module
    torch.manual_seed(0)
    exec(compile(code, "program.py", "exec"), module.__dict__)
    model, optimizer, inputs = module.model, module.optimizer, module.inputs
    torch.manual_seed(1)
    sample = torch.randn(inputs.shape)
    model.eval()
    with torch.no_grad():
        start = model(sample).flatten().tolist()
    model.train()
    losses = [module.train(1).item(), module.train(2).item()]
    still = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    round_trip(model)
    round_trip(optimizer)
    losses.append(module.train(1).item())
    kind = type(optimizer)
    groups = [{k: v for k, v in g.items() if k in ("lr", "weight_decay")} | {"n": len(g["params"])} for g in optimizer.param_groups]
    return {"start": start, "losses": losses, "still": still, "groups": groups, "pull": pull(kind) if "anchors" in optimizer.param_groups[0] else 0.0}

out = {}
for key, code in json.load(sys.stdin).items():
    try:
        out[key] = run(code)
    except Exception as error:
        import traceback
        out[key] = {"error": traceback.format_exc()[-1500:]}
print(json.dumps(out))
`;

interface Run {
  readonly error?: string;
  /** Outputs before training, on fixed inputs. */
  readonly start: readonly number[];
  readonly losses: readonly number[];
  /** Parameters that got no gradient. */
  readonly still: readonly string[];
  readonly groups: readonly { readonly lr: number; readonly weight_decay: number; readonly n: number }[];
  /** Distance of a step without gradient from what syre says. */
  readonly pull: number;
}

interface Asked {
  readonly takes: boolean;
  readonly remedy: string;
  readonly parameters: readonly string[];
  readonly reason: string;
}

function asked(text: string): Asked[] {
  return [...text.matchAll(/^# (takes|refuses) ([\w-]+) ([^\n:]+)(?:: (.*))?$/gm)].map(([, verb, remedy, names, reason]) => ({
    takes: verb === "takes",
    remedy: remedy!,
    parameters: names!.trim().split(" "),
    reason: reason ?? "",
  }));
}

async function load(name: string, text: string): Promise<CheckedFile> {
  return checkedFile(await new Loader({ analysis: { numeric: false } }).loadPython(name, text));
}

function outcome(file: CheckedFile, { remedy: id, parameters }: Asked): ReturnType<typeof trainingFix> {
  const remedy = trainingRemedies.find((r) => r.id === id);
  const model = file.models.find((m) => parameters.every((p) => m.graph.parameters.has(p)));
  assert.ok(remedy && model, `${file.file}: ${id} ${parameters.join()}; models ${file.models.map((m) => m.name).join()}`);
  const optimiser = file.facts?.().optimisers[0];
  const values = { weightDecay: 2e-5, learningRate: 0.03 };
  // The place that a rule found, for remedies that are about one.
  const found = checkWithSubjects(file).find((c) => c.subject?.call && remedy.rules.includes(c.finding.rule))?.subject?.call;
  const more = { ...(optimiser ? { optimiser } : {}), ...(found ? { call: found } : {}) };
  return trainingFix(remedy, file, { model, parameters, values, ...more });
}

describe("fixes that change training", () => {
  const files = readdirSync(FOLDER).filter((f) => f.endsWith(".py"));
  const made: { key: string; before: string; after: string; fix: Fix; remedy: string; base: string }[] = [];
  let done: Record<string, Run> = {};

  before(async () => {
    const refused: string[] = [];
    for (const name of files) {
      const text = readFileSync(path.join(FOLDER, name), "utf8");
      const file = await load(name, text);
      for (const a of asked(text).filter((x) => x.takes)) {
        const result = outcome(file, a);
        if ("reason" in result) {
          refused.push(`${name}: ${a.remedy} is refused: ${result.reason}`);
          continue;
        }
        const after = edited(text, result.fix.edits);
        made.push({ key: `${name} ${a.remedy}`, before: text, after, fix: result.fix, remedy: a.remedy, base: name });
      }
    }
    assert.deepEqual(refused, []);
    if (!hasTorch) return;
    const originals = Object.fromEntries(files.map((f) => [f, readFileSync(path.join(FOLDER, f), "utf8")]));
    const programs = { ...originals, ...Object.fromEntries(made.map((m) => [m.key, m.after])) };
    // One process: importing torch is most of the time.
    const { stdout, stderr, status } = spawnSync(PYTHON, ["-c", HARNESS], {
      input: JSON.stringify(programs),
      encoding: "utf8",
      timeout: 300_000,
      maxBuffer: 1 << 26,
    });
    assert.equal(status, 0, stderr);
    done = JSON.parse(stdout) as Record<string, Run>;
  });

  it("are each applied to at least three styles of code", () => {
    for (const { id } of trainingRemedies) {
      const n = made.filter((m) => m.remedy === id).length;
      assert.ok(n >= 3, `${id} is applied to ${n} fixtures`);
    }
  });

  it("keep every line that they do not change, comments included, and their edits do not overlap", () => {
    for (const { key, before: text, after, fix } of made) {
      assert.equal(fix.exact, false);
      for (const comment of text.match(/#.*$/gm) ?? []) assert.ok(after.includes(comment), `${key} loses ${comment}`);
      const places = fix.edits.map((e) => e.range).sort((a, b) => a.start.line - b.start.line || a.start.column - b.start.column);
      for (let i = 1; i < places.length; i++) {
        const [a, b] = [places[i - 1]!.end, places[i]!.start];
        assert.ok(a.line < b.line || (a.line === b.line && a.column <= b.column), `${key} has edits over each other`);
      }
      assert.doesNotMatch(after, /undefined|\bNaN\b/, key);
      assert.doesNotMatch(after, /[^\S\n]+$/m, `${key} leaves spaces at the end of a line`);
      const longest = Math.max(
        ...after
          .split("\n")
          .filter((l) => !text.includes(l))
          .map((l) => l.length),
      );
      assert.ok(longest <= 120, `${key} writes a line of ${longest} characters`);
    }
  });

  it("write what can be read again, once: the same fix is not offered for a place that has it", async () => {
    for (const { key, after, remedy, base } of made) {
      const file = await load(base, after);
      assert.ok(file.models.length > 0, `${key}: no model is found any more`);
      const opaque = file.models.flatMap((m) => m.analysis().opaque.map((o) => o.operator));
      // The singular values with which low rank starts are known to PyTorch only, and noise is nobody's function.
      if (!["dcs-low-rank", "router-noise", "bias-fields"].includes(remedy)) assert.deepEqual(opaque, [], key);
      assert.ok(sourceOf(file), key);
      if (!["input-expansion", "syre", "syre-diagonal", "figlu", "router-noise", "merge-chain"].includes(remedy)) continue;
      const [again] = asked(after).filter((a) => a.remedy === remedy);
      const model = file.models.find((m) => again!.parameters.every((p) => m.graph.parameters.has(p)));
      if (!model) continue;
      const second = outcome(file, again!);
      if (remedy === "input-expansion" || remedy === "router-noise") continue;
      assert.ok("reason" in second, `${key} is offered twice`);
    }
  });

  it("are refused, with the reason, where they cannot be made rightly", async () => {
    for (const name of files) {
      const text = readFileSync(path.join(FOLDER, name), "utf8");
      const file = await load(name, text);
      for (const a of asked(text).filter((x) => !x.takes)) {
        const result = outcome(file, a);
        assert.ok("reason" in result, `${name}: ${a.remedy} is offered`);
        assert.equal(result.reason, a.reason);
      }
    }
  });

  it("run with PyTorch", { skip }, () => {
    for (const { key, remedy, base } of made) {
      const [run, plain] = [done[key]!, done[base]!];
      assert.equal(run.error, undefined, `${key}:\n${run.error}`);
      assert.equal(plain.error, undefined, plain.error);
      assert.ok(run.losses.every(Number.isFinite), key);
      assert.deepEqual(run.still, [], `${key}: parameters without gradient`);
      assert.ok(run.pull < 1e-5, `${key}: a step without gradient misses the anchor by ${run.pull}`);
      if (!SAME_START.has(remedy)) continue;
      const worst = Math.max(...run.start.map((y, i) => Math.abs(y - plain.start[i]!)));
      assert.ok(worst < 1e-5, `${key} changes the outputs at the start by ${worst}`);
    }
  });

  it("set what they say", { skip }, () => {
    for (const { key, remedy, base } of made) {
      const { groups } = done[key]!;
      const [own] = done[base]!.groups;
      if (remedy === "weight-decay") assert.equal(groups[0]!.weight_decay, 2e-5, key);
      if (remedy === "learning-rate") assert.equal(groups[0]!.lr, 0.03, key);
      if (remedy === "undecayed-factors")
        assert.deepEqual([groups[0]!.weight_decay > 0, groups[1]!.weight_decay], [true, 0], key);
      if (remedy === "decay-matrices") assert.deepEqual([groups[0]!.weight_decay, groups[1]!.weight_decay], [2e-5, 0], key);
      if (groups.length > 1) assert.equal(groups[0]!.n + groups[1]!.n, own!.n, `${key} loses parameters`);
    }
  });
});
