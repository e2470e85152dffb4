/** @file Options of optimisers set to the values that the thresholds ask for, where the code says them. */
import { say } from "../../texts/say";
import { number } from "../../rules/words";
import { type Draft, refuse } from "../source/draft";
import { argumentOf, type Located } from "../source/python-source";
import type { Syntax } from "../../frontends/python/index";
import { parameterGroups } from "../parameter-groups";
import type { Site, TrainingRemedy } from "./remedy";

function set(site: Site, draft: Draft, keyword: "weight_decay" | "lr", value: number | undefined): void {
  if (value === undefined || !(value >= 0)) refuse(`no threshold asks for another ${keyword}`);
  const { source, subject } = site;
  const fact = subject.optimiser ?? refuse("it is about no optimiser");
  const call = source.callAt(fact.range) ?? refuse("the call that makes the optimiser is not in this file");
  if (fact.groups.length > 1) refuse("the optimiser has several parameter groups");
  const given = argumentOf(call.node, keyword === "lr" ? 1 : -1, keyword);
  if (given === "starred") refuse("the options are not all written out");
  const text = pythonNumber(value);
  if (given) {
    const place = literal(site, call.top, given.value);
    draft.replace(place.start, place.end, text);
    return;
  }
  const last = call.node.args.at(-1);
  if (!last) refuse("the optimiser is made without arguments");
  draft.insert(source.locate(call.top, last).end, `, ${keyword}=${text}`);
}

/** Two digits, as Python reads them. */
function pythonNumber(value: number): string {
  const rounded = Number(value.toPrecision(2));
  return rounded !== 0 && rounded < 1e-3 ? rounded.toExponential() : `${rounded}`;
}

/** The number itself, or the number that a name of the file holds: that is where it is decided. @throws NotEditable */
function literal({ source }: Site, top: Located<Syntax.Stmt>, value: Syntax.Expr): Located<Syntax.Expr> {
  if (value.kind === "Number") return source.locate(top, value);
  if (value.kind !== "Name") refuse("the option is computed");
  const name = value.id;
  const bound = source.top.filter(
    ({ node: s }) => s.kind === "Assign" && s.targets.some((t) => t.kind === "Name" && t.id === name),
  );
  const [only, ...more] = bound;
  const local = source.statementAt(source.locate(top, value).start)!.around.some((s) => s.node.kind === "FunctionDef");
  if (!only || more.length > 0 || local || only.node.kind !== "Assign" || only.node.value.kind !== "Number") {
    refuse(`${name} is not set to a number in one place`);
  }
  if (source.mentions(name) > 2) refuse(`${name} is used for more than this`);
  return source.locate(only, only.node.value);
}

/** Weight decay. */
export const decayValue: TrainingRemedy = {
  id: "weight-decay",
  description:
    "Sets weight decay to the value that the closed forms ask for: for scale-invariant weights the one at which their direction turns by at " +
    "most 0.1 rad per step; where a probe with plain SGD collapsed, half of the threshold that it measured.",
  rules: ["decay-on-scale-invariant", "collapse"],
  write(site, draft) {
    const value = site.subject.values?.weightDecay;
    set(site, draft, "weight_decay", value);
    return say`Set weight_decay to ${number(value!)}`;
  },
};

/** Learning rate. */
export const rateValue: TrainingRemedy = {
  id: "learning-rate",
  description:
    "Sets the learning rate to the value that the closed forms ask for; where a probe with plain SGD collapsed, half of the threshold that " +
    "it measured.",
  rules: ["decay-on-scale-invariant", "collapse"],
  write(site, draft) {
    const value = site.subject.values?.learningRate;
    set(site, draft, "lr", value);
    return say`Set lr to ${number(value!)}`;
  },
};

/** Decay for matrices only. */
export const decayMatrices: TrainingRemedy = {
  id: "decay-matrices",
  description:
    "Two parameter groups: matrices and kernels decay at the rate with which scale-invariant weights reach their equilibrium norm within ten " +
    "thousand steps, (1 - b)/(4 lr lambda), vectors do not decay.",
  rules: ["undecayed-scale-invariant"],
  write(site, draft) {
    const { source, subject } = site;
    const value = subject.values?.weightDecay ?? refuse("no threshold asks for decay");
    const fact = subject.optimiser ?? refuse("it is about no optimiser");
    const call = source.callAt(fact.range) ?? refuse("the call that makes the optimiser is not in this file");
    const outcome = parameterGroups({ kind: "parameter-groups", call: fact.range }, source.text, [
      "weight_decay",
      pythonNumber(value),
    ]);
    if (!("fix" in outcome)) refuse(outcome.reason);
    if (call.node.args.some((a) => a.name === "weight_decay" || a.form === "doubleStar"))
      refuse("the decay is written elsewhere");
    for (const { range, newText } of outcome.fix.edits) {
      const { start, end } = source.span(range);
      draft.replace(start, end, newText);
    }
    return say`Decay matrices by ${number(value)}: two parameter groups`;
  },
};
