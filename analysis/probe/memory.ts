/** @file Recordings in compact form: float32 as they came, float64 by name at each access. */
import { elementCount } from "../graph/tensor";
import type { Recording, UnitActivity } from "../dynamics/trajectory";
import type { ParameterValues } from "../symmetry/symmetry";
import type { Layout } from "./layout";
import type { Pack } from "./packs";

/** A recording of one run, by state tensor. */
export interface CompactRecording {
  readonly step: number;
  readonly learningRate: number;
  readonly state: Readonly<Record<string, Float32Array>>;
  readonly gradient?: Readonly<Record<string, Float32Array>>;
  readonly after?: Readonly<Record<string, Float32Array>>;
  readonly activity: readonly { readonly value: string; readonly meanAbsolute: Float64Array; readonly active: Float64Array }[];
  readonly noise?: Recording["noise"];
}

/** A compact recording as measures read it. */
export function recordingOf(compact: CompactRecording, layout: Layout, frozen: ParameterValues): Recording {
  const { step, learningRate, state, gradient, after, noise } = compact;
  const moving = layout.parameters;
  const all = [...layout.parameters, ...layout.statistics];
  const slot = (kind: string) => (p: Pack) => `${p.name}:${kind}`;
  const own = (p: Pack) => p.name;
  const has = (kind: string) => moving.some((p) => `${p.name}:${kind}` in state);
  const activity = new Map(compact.activity.map((a): [string, UnitActivity] => [a.value, a]));
  const lazy: PropertyDescriptorMap = {};
  const define = (name: string, make: () => ParameterValues) => {
    lazy[name] = { enumerable: true, get: make };
  };
  define("parameters", () => unpackValues(all, state, own, frozen));
  if (gradient) define("gradient", () => unpackValues(moving, gradient, own));
  if (after) define("after", () => unpackValues(all, after, own, frozen));
  if (has("momentum")) define("momentum", () => unpackValues(moving, state, slot("momentum")));
  if (has("variance")) define("variance", () => unpackValues(moving, state, slot("variance")));
  const plain = { step, learningRate, activity, ...(noise ? { noise } : {}) };
  return Object.defineProperties(plain, lazy) as unknown as Recording;
}

/** Values by parameter from those of packs. */
export function unpackValues(
  packs: readonly Pack[],
  values: Readonly<Record<string, Float32Array>>,
  key: (pack: Pack) => string,
  others: ParameterValues = new Map(),
): ParameterValues {
  const out = new Map<string, Float64Array>(others);
  for (const pack of packs) {
    const data = values[key(pack)]!;
    for (const e of pack.entries) out.set(e.name, Float64Array.from(data.subarray(e.offset, e.offset + elementCount(e.shape))));
  }
  return out;
}

/** Values of a pack from those by parameter. @throws RangeError where one is missing or does not fit */
export function packValues(pack: Pack, values: ParameterValues): Float32Array {
  const out = new Float32Array(pack.size);
  for (const e of pack.entries) {
    const value = values.get(e.name);
    if (value?.length !== elementCount(e.shape)) {
      throw new RangeError(
        `the parameter ${e.name} has ${value?.length ?? "no"} values, and its shape is [${e.shape.join(", ")}]`,
      );
    }
    out.set(value, e.offset);
  }
  return out;
}
