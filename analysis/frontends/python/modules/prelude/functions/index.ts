/**
 * @file Functions of torch that few models use, written in Python in terms of those that the tables have. They serve `torch.f(x)`,
 * `F.f(x)`, `torch.linalg.f(x)` and `x.f()` alike.
 */
import { algebra } from "./algebra";
import { pointwise } from "./pointwise";
import { rearranging } from "./rearranging";
import { transforms } from "./transforms";

/** The stand-ins by their modules' names. */
export const functionsPrelude: Readonly<Record<string, string>> = {
  "torch._pointwise": pointwise,
  "torch._rearranging": rearranging,
  "torch._algebra": algebra,
  "torch.func": transforms,
};

const MODULES = new Map<string, string>();
for (const [module, text] of Object.entries(functionsPrelude)) {
  for (const [, name] of text.matchAll(/^(?:def |(?=\w+ = ))([a-z]\w*)/gm)) MODULES.set(name!, module);
}

/** The module of a function that is written in Python; undefined for others. */
export function moduleOfFunction(name: string): string | undefined {
  return MODULES.get(name);
}
