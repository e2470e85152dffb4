/** @file Linear maps that follow each other: an activation between them, or one map instead of two. */
import { say } from "../../texts/say";
import type { Layer } from "../../rules/checked";
import { argumentOf } from "../source/python-source";
import { type Draft, refuse } from "../source/draft";
import {
  assignmentOf,
  attributeOf,
  constructorOf,
  insertBehind,
  nameOf,
  sequentialItem,
  type Site,
  soleLayer,
  soleUse,
  type TrainingRemedy,
} from "./remedy";

/** A nonlinearity between the factors. */
export const activationBetween: TrainingRemedy = {
  id: "activation",
  description:
    "A ReLU between linear maps that follow each other: the hidden space loses the group GL(r), and the pair computes more than one matrix can.",
  rules: ["linear-chain"],
  write(site, draft) {
    const layer = soleLayer(site, site.subject.parameters[0] ?? refuse("there is no layer"));
    if (!/^(Linear|Conv[123]d|ConvTranspose[123]d)$/.test(layer.kind)) refuse(`${layer.kind} is no plain linear map`);
    const call = constructorOf(site, layer);
    const item = sequentialItem(site, call);
    if (item) insertBehind(site, draft, item.items[item.index]!, `${draft.module("torch.nn")}.ReLU()`);
    else draft.insert(soleUse(site, layer).end, ".relu()");
    return say`Put a ReLU behind \`${nameOf(layer)}\``;
  },
};

/** One matrix for two. */
export const mergeChain: TrainingRemedy = {
  id: "merge-chain",
  description:
    "Refactors an unwanted constraint away: two linear layers with nothing between become one. The same functions can be learned, without " +
    "the products whose decay is a penalty on the rank (arXiv 2309.16932).",
  rules: ["linear-chain"],
  write(site, draft) {
    const [a, b, ...more] = site.subject.parameters;
    if (a === undefined || b === undefined || more.length > 0) refuse("the chain is longer than two layers");
    const [first, second] = [soleLayer(site, a), soleLayer(site, b)];
    if (first.kind !== "Linear" || second.kind !== "Linear") refuse("only Linear layers are merged");
    const calls = [constructorOf(site, first), constructorOf(site, second)] as const;
    const sizes = calls.map((c) => [argumentOf(c.node, 0, "in_features"), argumentOf(c.node, 1, "out_features")] as const);
    const [[input] = [], [inner] = []] = sizes;
    if (!input || !inner || input === "starred" || inner === "starred") refuse("the sizes of the layers are not written out");
    const text = (c: (typeof calls)[number], s: { s: number; e: number }): string => site.source.source(c.top, s);
    const size = text(calls[0], input.value);
    // The second layer keeps its other arguments; a bias of the first needs one in the second.
    const hasBias = (l: typeof first): boolean => l.parameters.some((p) => p.endsWith(".bias"));
    if (hasBias(first) && !hasBias(second)) refuse("the bias of the first layer would be lost");
    const place = site.source.locate(calls[1].top, inner.value);
    const item = sequentialItem(site, calls[0]);
    const next = item?.items[item.index + 1];
    if (item) {
      if (next?.start !== calls[1].start) refuse("the layers are not next to each other");
      draft.replace(calls[0].start, next.start, "");
      draft.replace(place.start, place.end, size);
      return merged(first, second);
    }
    const [one, two] = [assignmentOf(site, calls[0]), assignmentOf(site, calls[1])];
    const around = (at: number) => site.source.statementAt(at)!.around[0]?.start;
    if (around(one.start) !== around(two.start) || !/^[\w.\s*+()-]+$/.test(size))
      refuse("the layers are made in different places");
    const use = soleUse(site, first);
    const name = attributeOf(first);
    if (site.source.mentions(name) !== 2) refuse(`${name} is mentioned elsewhere`);
    removeLine(site, draft, one);
    draft.replace(place.start, place.end, size);
    draft.replace(use.start, use.argument.start, "");
    draft.replace(use.argument.end, use.end, "");
    return merged(first, second);
  },
};

function merged(first: Layer, second: Layer): string {
  return say`Make \`${nameOf(first)}\` and \`${nameOf(second)}\` one layer`;
}

function removeLine({ source }: Site, draft: Draft, statement: Parameters<typeof source.isAlone>[0]): void {
  if (!source.isAlone(statement)) refuse("the statement shares its line with others");
  const line = source.text.lastIndexOf("\n", statement.start - 1) + 1;
  const end = source.text.indexOf("\n", statement.end);
  draft.replace(line, end < 0 ? source.text.length : end + 1, "");
}
