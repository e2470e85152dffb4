/** @file What a record calls things, and how it writes its values. */
import { type ProbeRecord, typesetGroup } from "../../../server/protocol";
import { change, estimated } from "./numbers";

export type Setting = ProbeRecord["settings"][number];
export type Measured = Setting["degree"];
export type Measures = Setting["symmetries"][number];

/** The weight that names a symmetry's layer. */
export function placeOf({ symmetry: { group, parameters, writer } }: Pick<Measures, "symmetry">): string {
  return writer ?? parameters[0] ?? typesetGroup(group);
}

/** Group and layer. */
export function nameOf(m: Pick<Measures, "symmetry">): string {
  return `${typesetGroup(m.symmetry.group)} ${placeOf(m)}`;
}

/** Whether a difference is more than two standard errors from zero. */
export function significant({ error, value }: Measured): boolean {
  return value !== null && error !== null && Math.abs(value) > 2 * error && value !== 0;
}

/** Value and standard error. */
export const text = ({ error, value }: Measured): string => estimated({ value: value ?? Number.NaN, error });
/** The same with its sign. */
export const signed = ({ error, value }: Measured): string => change({ value: value ?? Number.NaN, error });
