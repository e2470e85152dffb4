/** @file How parameters start, as far as a constructor's writes show it. */
import type { Origin } from "../../../graph/source";
import { elementCount } from "../../../graph/tensor";
import type { LazyConstant } from "../values/constant";
import type { ParameterCell } from "../values/value";

/** How a parameter starts that takes the entries of another one. */
export function copyOf(source: ParameterCell, origin?: Origin): NonNullable<ParameterCell["initialisation"]> {
  const original = source.initialisation;
  return {
    scheme: `copy of ${(original?.scheme ?? "default").replace(/^copy of /, "")}`,
    ...(original?.constant !== undefined ? { constant: original.constant } : {}),
    ...(original?.std !== undefined ? { std: original.std } : {}),
    ...(origin ? { origin } : {}),
  };
}

/** Entries up to which all are looked at. */
const ALL_LOOKED_AT = 65_536;

/** The one value that all entries have; of large tensors some are looked at. */
export function uniformValue(constant: LazyConstant | undefined): number | undefined {
  if (!constant) return undefined;
  const n = elementCount(constant.shape);
  if (n === 0) return undefined;
  const first = constant.at(0);
  const stride = n <= ALL_LOOKED_AT ? 1 : Math.floor(n / 4096);
  for (let i = 0; i < n; i += stride) if (constant.at(i) !== first) return undefined;
  return first;
}
