/** @file How the command line is spoken: help texts, and errors in what was asked. */

/** Exit codes, as pyright's. */
export const EXIT = {
  /** Nothing to report. */
  ok: 0,
  /** Findings of severity error or warning, or a claim that failed its certification. */
  findings: 1,
  /** A file could not be read or analysed. */
  fatal: 2,
  /** A configuration file is wrong. */
  configuration: 3,
  /** The command line is wrong. */
  usage: 4,
} as const;

/** What was asked makes no sense; ends the program with exit code 4. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const COMMANDS = [
  "symmetries",
  "check",
  "fix",
  "probe",
  "show",
  "export",
  "coverage",
  "rules",
  "explain",
  "init",
] as const;

export const HELP = `Noether finds the symmetries of neural networks: changes of the weights that leave the function as it is.

  noether symmetries FILE[::CLASS]   what acts on a model, and how many directions are pure symmetry
  noether check PATHS...             what in model code deserves a change, with fixes
  noether fix FILE[::CLASS]          one fix by name, in source or in an exported model; what it gains
  noether probe FILE[::CLASS]        short trainings that measure what the symmetries do
  noether show FILE[::CLASS]         the graph of a model as text, in ONNX's own syntax
  noether export FILE::CLASS         PyTorch's own export of a model, compared with what was read
  noether coverage PATHS...          how much of the model code in Python files is understood
  noether rules                      what it looks for
  noether explain RULE               why a rule matters, with examples
  noether init                       write a configuration to start from

FILE is PyTorch source (.py) or an ONNX model (.onnx). Code is read, never run, but by noether export.

  --help       this text; after a command, the help of that command
  --version    the version

Exit codes: 0 nothing to report, 1 findings, 2 a file could not be read, 3 wrong configuration, 4 wrong arguments.`;

export const COMMAND_HELP: Readonly<Record<(typeof COMMANDS)[number], string>> = {
  symmetries: `noether symmetries FILE[::CLASS] [options]

Prints the channel spaces of a model with the group that acts on each, and the dimension of its continuous symmetries by
family. Of a Python file with several models all are printed, of FILE::CLASS one.

  --format FORMAT    text (default); json, the public format; mermaid or dot, a diagram;
                     axes, one label per parameter axis
  --certify          apply a random element of each symmetry to the weights and compare outputs (ONNX Runtime)
  --loss softmax     count for a softmax cross-entropy on the output instead of for the function itself
  --input 8x3x32x32  shape of an input; repeat it for further inputs, in order
  --frozen NAME      parameters that do not train, by name or pattern (encoder.*); may be repeated
  --all              all channel spaces, however many there are`,
  check: `noether check PATHS... [options]

Reports what deserves a change in the models of files, folders and glob patterns (.py and .onnx; version control,
node_modules, caches and virtual environments are left out). PATHS may be - for text on standard input.

  --format FORMAT     text (default), json, sarif, github, gitlab or junit
  --output FILE       write the report there
  --fix               apply safe fixes: the function stays, or only the fault that was found goes
  --unsafe-fixes      with --fix, also those that change training
  --diff              with --fix, show what would change and change nothing
  --watch             check again when a file changes
  --quiet             errors only
  --statistics        counts by rule instead of findings
  --max-warnings N    how many warnings are no failure (default 0)
  --verbose           also say what could not be understood, and why
  --rule RULE=LEVEL   error, warning, info, hint or off for this run; may be repeated
  --config FILE       this configuration instead of the one found (none: --no-config)
  --baseline FILE     report only what exceeds the findings accepted there
  --update-baseline   accept all findings of this run
  --stdin-filename F  the name under which standard input is checked
  --jobs N            processes for large trees (default: one per core)
  --no-cache          do not use or write .noether-cache`,
  fix: `noether fix FILE[::CLASS] [options]

Lists the fixes that a model can be given, writes one of them, or measures what they gain. In Python source the edit is made
in place; of an ONNX model a new file is written, and where the fix is exact its outputs are compared with the original's.

  --fix NAME         this fix (without it: a list)
  --at PARAMETER     at the layer of this parameter
  --verify           train with and without the fix, with the same data and seeds, and say what changes; writes nothing
  --diff             show what would change in source and change nothing
  --output FILE      write the result there; needed for ONNX models, which are never written over
  --steps N          with --verify: updates per run (default 300)
  --replicas N       with --verify: runs with different seeds (default 4)
  --lr X             with --verify: learning rate, and so on as in noether probe:
  --weight-decay X, --batch-size N, --data PATH, --budget SECONDS
  --seed N           of the first replica, and of what the fix draws (default 0)
  --input 8x3x32x32  shape of an input; repeat it for further inputs, in order
  --format FORMAT    text (default) or json`,
  probe: `noether probe FILE[::CLASS] [options]

Trains the model for a few hundred steps, several replicas at once, in ONNX Runtime, and reports which of its symmetries
break, which stay and which collapse. Settings that are not given come from the training code in the file. A model too
large for the time budget is trained as its twin, which is said. The user's code is read, never run.

  --steps N             updates per run (default 300)
  --replicas N          runs per setting, with different seeds (default 4)
  --seed N              of the first replica (default 0)
  --lr X                learning rate
  --weight-decay X      weight decay
  --momentum X          momentum of SGD
  --optimizer NAME      sgd, adam or adamw
  --batch-size N        examples per step
  --loss NAME           cross-entropy, mse or bce (default: what fits the output)
  --data PATH           .npz, .npy or .csv file, or a folder with a folder of PNG images per class (default: made-up data)
  --device NAME         auto (default), cpu, cuda, webgpu, dml or coreml
  --sweep NAME=A,B,...  one setting per value; NAME is lr, weight-decay, batch-size or momentum
  --compare FIX[@PARAMETER]  the same with a fix (noether fix lists them) or with no-decay; may be repeated
  --budget SECONDS      of training (default 60)
  --input 8x3x32x32     shape of an input; repeat it for further inputs, in order
  --format FORMAT       text (default), json, or html with plots
  --output FILE         write the report there
  --no-cache            do not use or write .noether-cache`,
  show: `noether show FILE[::CLASS] [options]

Prints the graph of a model in ONNX's text syntax: of an .onnx file as it is, of Python source as Noether reads it. Weights
are shown as their types, small constants with their values.

  --names STYLE      quoted (default): names as they are, as onnx.parser reads them since ONNX 1.17;
                     plain: names that every version of onnx.parser reads`,
  export: `noether export FILE.py::CLASS [options]

Runs your Python: imports the file, makes the class, exports it to ONNX in training mode, and compares the export with what
was read from the source: parameters, symmetries, outputs. Exits with 1 where they differ.

  --output FILE      where the model goes (default: CLASS.onnx)
  --python PATH      the interpreter (default: the active or the project's environment, else python3)
  --call "TEXT"      how the model is made, in Python (default: as the code says)
  --input 8x3x32x32  shape of an input; repeat it for further inputs, in order
  --timeout SECONDS  after which Python is ended (default 300)
  --dry-run          say what would be run, and run nothing
  --format FORMAT    text (default) or json`,
  coverage: `noether coverage PATHS... [options]

Counts the classes of modules with a forward in Python files, notebooks, folders and glob patterns: those that are fully
understood, those with opaque parts (which, and how often), those that cannot be made (why), and those that failed.

  --format FORMAT    text (default) or json
  --all              the lists in full`,
  rules: `noether rules [--format json]

Lists all rules with how loud they are by default.`,
  explain: `noether explain RULE [--format json]

Says what a rule finds, why it matters, when not to care, and shows what is reported, what is not, and how it is mended.`,
  init: `noether init [--pyproject]

Writes noether.toml, or [tool.noether] into pyproject.toml, with every setting explained and at its default. An existing
configuration is left alone.`,
};

/** The candidate that is nearest to a word, if one is near enough to have been meant. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const c of candidates) {
    const d = distance(word.toLowerCase(), c.toLowerCase());
    if (d < least) {
      best = c;
      least = d;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and exchanges of neighbours that make one word of another. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let d = Math.min(row[j - 1]! + 1, last[j]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) d = Math.min(d, before[j - 2]! + 1);
      row.push(d);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}

/** "; did you mean X?" or nothing. */
export function meant(word: string, candidates: readonly string[]): string {
  const near = nearest(word, candidates);
  return near === undefined ? "" : `; did you mean ${near}?`;
}

/** One of a list of words, or a UsageError that lists them. */
export function oneOf<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((a) => a === value);
  if (found === undefined) throw new UsageError(`${option} is ${allowed.join(", ")}, not ${value}${meant(value, allowed)}`);
  return found;
}
