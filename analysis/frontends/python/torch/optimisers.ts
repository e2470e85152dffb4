/** @file torch.optim: constructors are training facts; the objects do nothing here. */
import { makeClass } from "../evaluator/classes";
import { iterate } from "../evaluator/iterate";
import { namespaceOf } from "../values/namespaces";
import { is } from "../values/inspect";
import { dict, int, list, native } from "../values/make";
import type { ClassValue, NamespaceValue, Value } from "../values/value";

/** Classes of `torch.optim`. */
export const OPTIMISERS =
  "SGD Adam AdamW Adagrad Adadelta Adamax NAdam RAdam RMSprop Rprop ASGD LBFGS SparseAdam Adafactor Muon".split(" ");

const SCHEDULERS = (
  "LambdaLR MultiplicativeLR StepLR MultiStepLR ConstantLR LinearLR ExponentialLR PolynomialLR CosineAnnealingLR ChainedScheduler " +
  "SequentialLR ReduceLROnPlateau CyclicLR OneCycleLR CosineAnnealingWarmRestarts"
).split(" ");

/** Parameters of optimiser constructors after the parameter groups. */
export const OPTIMISER_PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  SGD: ["params", "lr", "momentum", "dampening", "weight_decay", "nesterov"],
  RMSprop: ["params", "lr", "alpha", "eps", "weight_decay", "momentum", "centered"],
  Adagrad: ["params", "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"],
  Adadelta: ["params", "lr", "rho", "eps", "weight_decay"],
};

/** The order that Adam and its kin share. */
export const ADAM_PARAMETERS: readonly string[] = ["params", "lr", "betas", "eps", "weight_decay", "amsgrad"];

/** A class whose construction is reported and whose methods return None. */
function factClass(root: ClassValue, base: ClassValue | undefined, qualified: string): ClassValue {
  const name = qualified.split(".").at(-1)!;
  return makeClass({
    name,
    bases: [base ?? root],
    fields: [],
    attributes: new Map<string, Value>([
      [
        "__init__",
        native(`${name}.__init__`, (interpreter, args) => {
          const [self, ...rest] = args.positional;
          if (!is(self, "instance")) return null;
          interpreter.onFact?.(qualified, { ...args, positional: rest }, self);
          const first = rest[0] ?? args.keywords.get("params");
          const items =
            first === undefined || is(first, "unknown")
              ? undefined
              : is(first, "instance")
                ? undefined
                : iterate(interpreter, first);
          const groups = items?.every((g) => is(g, "dict"))
            ? items
            : [
                dict([
                  ["params", list(items ?? [])],
                  ["lr", args.keywords.get("lr") ?? { k: "float", v: 0.001 }],
                ]),
              ];
          self.attributes.set("param_groups", list([...groups]));
          self.attributes.set("state", dict());
          self.attributes.set("defaults", dict([...args.keywords]));
          return null;
        }),
      ],
    ]),
    missing: (_, __, method) => {
      if (method.startsWith("__")) return undefined;
      if (method === "get_last_lr") return native(method, () => list([{ k: "float", v: 0.001 }]));
      if (method === "state_dict") return native(method, () => dict());
      if (method === "last_epoch") return int(0);
      return native(method, (interpreter, args) => {
        interpreter.onFact?.(`${qualified}.${method}`, args, null);
        return null;
      });
    },
  });
}

/** The module `torch.optim`. */
export function optimiserNamespace(root: ClassValue): NamespaceValue {
  const optimizer = factClass(root, undefined, "torch.optim.Optimizer");
  const schedulerBase = factClass(root, undefined, "torch.optim.lr_scheduler.LRScheduler");
  const scheduler = namespaceOf("torch.optim.lr_scheduler", [
    ["LRScheduler", schedulerBase],
    ["_LRScheduler", schedulerBase],
    ...SCHEDULERS.map((n): [string, Value] => [n, factClass(root, schedulerBase, `torch.optim.lr_scheduler.${n}`)]),
  ]);
  const swa = namespaceOf("torch.optim.swa_utils", [
    ["AveragedModel", native("AveragedModel", (_, a) => a.positional[0] ?? null)],
  ]);
  return namespaceOf("torch.optim", [
    ["Optimizer", optimizer],
    ["lr_scheduler", scheduler],
    ["swa_utils", swa],
    ...OPTIMISERS.map((n): [string, Value] => [n, factClass(root, optimizer, `torch.optim.${n}`)]),
  ]);
}
