/**
 * @file Follows an exchange through the network: from images of some slots to those that every reader and writer of them then
 * wants, down to weights, until all agree. What is found leaves every output as it is: each application was seen to give, of
 * what its operands hold after the exchange, what its result is said to hold.
 */
import { operatorTable } from "../../operators/table";
import { ContractionStep } from "./contraction";
import { EntrywiseStep } from "./entrywise";
import type { Application } from "./nodes";
import { NormalisedStep } from "./normalised";
import { ReductionStep } from "./reduction";
import { type ExchangeState, NoExchange } from "./state";
import type { Step } from "./step";
import { WholeStep } from "./whole";

/** Applications that are looked at before giving up. */
const MOST_STEPS = 3000;

/** The same of all exchanges of a graph together: it is large, or many places look alike and are not. */
const MOST_LOOKS = 40_000;

/** Follows what is wanted of a state to its end. @throws NoExchange where it contradicts itself */
export function follow(state: ExchangeState): void {
  let steps = 0;
  for (;;) {
    const next = firstOf(state.pending);
    if (!next) return;
    state.pending.delete(next);
    if (steps++ > MOST_STEPS || state.applications.looks++ > MOST_LOOKS) throw new NoExchange("too far");
    stepOf(state, next).take();
  }
}

/** The application that comes first in the graph: what becomes of all of its operands is known best there. */
function firstOf(pending: ReadonlySet<Application>): Application | undefined {
  let first: Application | undefined;
  for (const a of pending) if (!first || a.at < first.at) first = a;
  return first;
}

function stepOf(state: ExchangeState, own: Application): Step {
  const { passing, node } = own;
  if (operatorTable(node.operator, node.domain)?.random === true) throw new NoExchange("drawn anew");
  switch (passing.kind) {
    case "entries":
      return new EntrywiseStep(state, own);
    case "contraction":
      return new ContractionStep(state, own, passing);
    case "reduction":
      return new ReductionStep(state, own, passing);
    case "normalised":
      return new NormalisedStep(state, own, passing.axis);
    default:
      return new WholeStep(state, own);
  }
}
