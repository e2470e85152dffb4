/** @file Parameters as the network reads them: as they are, or scaled and shifted by constants (fixes like syre). */
import { tensor } from "../graph/tensor";
import type { GraphBuilder } from "../operators/gradients/builder";
import { type Pack, unpack } from "./packs";
import type { ProbeSetting } from "./types";

/** Constants per parameter, see ProbeSetting. */
export type Reparametrisation = ProbeSetting["reparametrisation"];

/** The value that trains: the parameter itself, or what it is made from. */
export function freeName(parameter: string, reparametrisation: Reparametrisation): string {
  return reparametrisation?.has(parameter) ? `${parameter}/free` : parameter;
}

/** Appends the nodes that make a pack's parameters under their names. @throws RangeError where a constant does not fit */
export function addParameters(b: GraphBuilder, pack: Pack, replicas: number, reparametrisation: Reparametrisation): void {
  unpack(b, pack, pack.name, replicas, (e) => freeName(e.name, reparametrisation));
  for (const { name, shape } of pack.entries) {
    const change = reparametrisation?.get(name);
    if (!change) continue;
    let value = freeName(name, reparametrisation);
    if (change.scale) value = b.add("Mul", [value, b.addConstant(tensor(shape, change.scale, "float32"))]);
    const [operator, inputs] = change.shift
      ? ["Add", [value, b.addConstant(tensor(shape, change.shift, "float32"))]]
      : ["Identity", [value]];
    b.append({
      name,
      operator: operator as string,
      domain: "",
      inputs: inputs as string[],
      outputs: [name],
      attributes: {},
      origin: {},
    });
  }
}
