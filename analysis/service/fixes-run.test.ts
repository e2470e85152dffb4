/**
 * @file Runs what fixes write with PyTorch, where there is one: import, forward, backward, a step of the optimiser and a round
 * trip of the state; and the numbers that the pages claim. Skipped, and saying so, without torch.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { before, describe, it } from "node:test";
import { compatibleFixes } from "../fixes/apply";
import { checkFile } from "../fixes/check";
import { rules } from "../rules/registry";
import { checkedFile } from "./checked-file";
import { Loader } from "./models";
import { cases, corpusRules } from "./testing/corpus";
import { edited } from "./testing/edited";

const PYTHON = "/usr/bin/python3";
const LOOK = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)";
const hasTorch = spawnSync(PYTHON, ["-c", LOOK], { timeout: 60_000 }).status === 0;
const skip = hasTorch ? false : "python3 has no torch: what fixes write is not run here";

/** What is run with each program: it finds the model class, makes inputs that fit, and trains for a few steps. */
const HARNESS = `
import io, itertools, json, sys, types, warnings
import torch
warnings.simplefilter("ignore")

SHAPES = [(4, 8), (4, 16), (4, 32), (4, 6), (4, 3, 12, 12), (4, 1, 12, 12), (4, 1, 24), (4, 5, 16), (4, 5, 32), (4, 5, 6), (4, 64), "ids"]

def inputs(model, names):
    if names[-1:] == ["label"]:
        return [*inputs_of(lambda *a: model(*a, torch.ones(4)), names[:-1]), torch.ones(4)]
    return inputs_of(model, names)

def inputs_of(model, names):
    count = len(names)
    make = lambda shape: torch.randint(0, 3, (4, 5)) if shape == "ids" else torch.randn(*shape)
    for shapes in itertools.product(SHAPES, repeat=count):
        args = [make(shape) for shape in shapes]
        try:
            with torch.no_grad():
                model(*args)
            return args
        except Exception:
            continue
    raise RuntimeError("no input shape fits " + type(model).__name__)

def scalar(y):
    if isinstance(y, torch.Tensor):
        return y.float().pow(2).mean() + y.float().sin().mean()
    return sum(scalar(z) for z in y)

def run(code):
    torch.manual_seed(0)
    module = types.ModuleType("example")
    exec(compile(code, "example.py", "exec"), module.__dict__)
    classes = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, torch.nn.Module) and c.__module__ == "example"]
    model = vars(module).get("model") or classes[-1]()
    import inspect
    required = [p for p in inspect.signature(type(model).forward).parameters.values() if p.default is p.empty][1:]
    args = inputs(model, [p.name for p in required])
    optimiser = vars(module).get("optimizer") or torch.optim.SGD(model.parameters(), lr=0.01)
    start = {n: p.detach().clone() for n, p in model.named_parameters()}
    gradients = {}
    for step in range(5):
        optimiser.zero_grad()
        y = model(*args)
        loss = scalar(y)
        if not loss.requires_grad:
            break
        loss.backward()
        for n, p in model.named_parameters():
            g = 0.0 if p.grad is None else p.grad.abs().max().item()
            gradients[n] = max(gradients.get(n, 0.0), g)
        optimiser.step()
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    model.load_state_dict(torch.load(buffer))
    ranks = {n: int(torch.linalg.matrix_rank(p.detach().double(), rtol=1e-5)) for n, p in model.named_parameters() if p.ndim == 2}
    state = {n: p.detach() for n, p in model.named_parameters()}
    equal = [[a, b] for a in state for b in state if a < b and state[a].shape == state[b].shape and torch.equal(state[a], state[b])]
    decay = {n: g["weight_decay"] for g in optimiser.param_groups for n, p in model.named_parameters() if any(p is q for q in g["params"]) and "weight_decay" in g}
    return {"gradients": gradients, "ranks": ranks, "equal": equal, "decay": decay, "ndim": {n: p.ndim for n, p in model.named_parameters()}, "tensors": len(state)}

out = {}
for key, code in json.load(sys.stdin).items():
    try:
        out[key] = run(code)
    except Exception as error:
        out[key] = {"error": type(error).__name__ + ": " + str(error)}
print(json.dumps(out))
`;

interface Run {
  readonly error?: string;
  /** Largest absolute gradient of five steps, by parameter. */
  readonly gradients: Readonly<Record<string, number>>;
  /** Rank of each matrix after five steps. */
  readonly ranks: Readonly<Record<string, number>>;
  /** Pairs of parameters that are equal after five steps. */
  readonly equal: readonly (readonly [string, string])[];
  readonly decay: Readonly<Record<string, number>>;
  readonly ndim: Readonly<Record<string, number>>;
  /** Distinct parameter tensors. */
  readonly tensors: number;
}

function run(programs: Readonly<Record<string, string>>): Record<string, Run> {
  const { stdout, stderr, status } = spawnSync(PYTHON, ["-c", HARNESS], {
    input: JSON.stringify(programs),
    encoding: "utf8",
    timeout: 300_000,
    maxBuffer: 1 << 26,
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Record<string, Run>;
}

/** The rules whose examples are models that PyTorch 1.13 can run (RMSNorm and LSTM need no exception, probes do). */
const runnable = rules.filter((r) => !r.onnxOnly && !r.measured);

/** Fixed programs of the corpus. */
async function fixedSnippets(): Promise<Record<string, string>> {
  const loader = new Loader({ analysis: { numeric: false } });
  const out: Record<string, string> = {};
  for (const rule of corpusRules()) {
    for (const { title, python } of cases(rule)) {
      // What this PyTorch, or this machine, does not have.
      if (/RMSNorm|lightning|Lazy|torch\.vmap|timm|transformers|\bfrom \.|SyncBatchNorm/.test(python)) continue;
      const loaded = await loader.loadPython("net.py", python);
      const edits = compatibleFixes(checkFile(checkedFile(loaded)), "exact").flatMap(({ fix }) => fix.edits);
      if (edits.length > 0) out[`${rule}: ${title}`] = edited(python, edits);
    }
  }
  return out;
}

describe("what rules and fixes write, run by PyTorch", { skip }, () => {
  const examples = runnable.flatMap((r) =>
    (["bad", "fixed", "good"] as const).map((kind) => [`${r.id} ${kind}`, r.examples[kind]] as const),
  );
  let done: Record<string, Run> = {};
  let snippets: readonly string[] = [];
  // One process: importing torch is most of the time.
  before(async () => {
    const fixed = await fixedSnippets();
    snippets = Object.keys(fixed);
    done = run({ ...Object.fromEntries(examples), ...fixed });
  });
  const results = (): Record<string, Run> => done;

  it("imports, runs forward and backward, steps, and saves and loads its state", () => {
    for (const [key] of examples) assert.equal(results()[key]!.error, undefined, key);
  });

  it("gradients of inert biases are zero; of zero pairs both; after the fix some are not", () => {
    const bias = results()["bias-before-norm bad"]!.gradients["conv.bias"]!;
    assert.ok(bias < 1e-6, `conv.bias has a gradient of ${bias}`);
    const key = results()["inert-key-bias bad"]!.gradients;
    assert.ok(key["key.bias"]! < 1e-6 && key["query.bias"]! > 1e-6);
    const zero = results()["zero-factor-pair bad"]!.gradients;
    assert.deepEqual([zero["a"], zero["b"]], [0, 0]);
    assert.ok(results()["zero-factor-pair fixed"]!.gradients["b"]! > 0);
    assert.equal(results()["unused-parameters bad"]!.gradients["extra.weight"], 0);
  });

  it("units that start equal stay equal, copies in parallel too, and a repeated module is one", () => {
    assert.equal(results()["symmetric-init bad"]!.ranks["fc1.weight"], 1);
    assert.ok(results()["symmetric-init fixed"]!.ranks["fc1.weight"]! > 1);
    const pairs = results()["identical-branches bad"]!.equal.map((p) => p.join(" "));
    assert.ok(pairs.includes("left.0.weight right.0.weight"), pairs.join());
    assert.deepEqual(results()["identical-branches fixed"]!.equal, []);
    assert.deepEqual(results()["identical-branches good"]!.equal, []);
    assert.equal(results()["aliased-modules bad"]!.tensors, 2);
    assert.equal(results()["aliased-modules fixed"]!.tensors, 6);
    assert.equal(results()["tied-weights bad"]!.tensors, 2);
    assert.equal(results()["tied-weights fixed"]!.tensors, 1);
  });

  it("parameter groups decay matrices and nothing else", () => {
    const { decay, ndim } = results()["decay-on-norm fixed"]!;
    for (const [name, value] of Object.entries(decay)) assert.equal(value, ndim[name]! > 1 ? 0.1 : 0, name);
    assert.ok(Object.values(results()["decay-on-norm bad"]!.decay).every((d) => d === 0.1));
  });

  it("a bias before layer norm moves in all directions but its mean", () => {
    const { gradients } = results()["inert-direction-before-norm bad"]!;
    assert.ok(gradients["fc1.bias"]! > 1e-6);
  });

  it("the fixes of the corpus, too", () => {
    assert.ok(snippets.length >= 30);
    // Snippets whose inputs are of shapes of their own are only imported and made.
    for (const key of snippets) {
      const { error } = results()[key]!;
      if (error !== undefined)
        assert.match(error, /^(RuntimeError: no input shape fits|TypeError: .*required positional)/, `${key}: ${error}`);
    }
  });
});
