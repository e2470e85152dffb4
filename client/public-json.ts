/**
 * @file Reads one member of `models` of the public JSON (`noether symmetries --format json`). Whatever is missing or of
 * another kind reads as empty, so that a server of another version can never break a view.
 */

export interface ChannelSpace {
  readonly size: number;
  readonly group: string;
  readonly acts: readonly string[];
}

export interface Certificate {
  readonly status: string;
  readonly maxRelativeDeviation?: number;
  readonly reason: string;
  /** Random weights stood in for missing ones. */
  readonly randomWeights: boolean;
  /** Explained and measured continuous dimension, of the model or of its twin. */
  readonly dimensions?: { readonly explained: number; readonly measured: number; readonly on: string };
}

export interface ModelSymmetries {
  readonly continuous: { readonly total: number; readonly families: Readonly<Record<string, number>> };
  /** Whether only some families were counted, so that the total is a lower bound. */
  readonly lowerBound: boolean;
  readonly spaces: readonly ChannelSpace[];
  readonly swaps: readonly (readonly string[])[];
  readonly opaque: readonly { readonly operator: string; readonly where: string }[];
  readonly notes: readonly string[];
  readonly certificate?: Certificate;
}

/** Undefined where the value is no object at all. */
export function readSymmetries(json: unknown): ModelSymmetries | undefined {
  if (!isRecord(json)) return undefined;
  const { total, ...families } = isRecord(json["continuous"]) ? json["continuous"] : {};
  const certificate = readCertificate(json["certificate"]);
  return {
    continuous: {
      total: numberOf(total),
      families: Object.fromEntries(Object.entries(families).filter((e): e is [string, number] => typeof e[1] === "number")),
    },
    spaces: records(json["spaces"]).map((s) => ({
      size: numberOf(s["size"]),
      group: textOf(s["group"]),
      acts: texts(s["acts"]),
    })),
    swaps: array(json["swaps"]).map(texts),
    opaque: records(json["opaque"]).map((o) => ({ operator: textOf(o["operator"]), where: textOf(o["where"]) })),
    lowerBound: json["counted"] === "scalings",
    notes: texts(json["notes"]),
    ...(certificate && { certificate }),
  };
}

function readCertificate(value: unknown): Certificate | undefined {
  if (!isRecord(value) || typeof value["status"] !== "string") return undefined;
  const { status, maxRelativeDeviation, dimensions } = value;
  return {
    status,
    reason: textOf(value["reason"]),
    randomWeights: value["randomWeights"] === true,
    ...(typeof maxRelativeDeviation === "number" && { maxRelativeDeviation }),
    ...(isRecord(dimensions) && {
      dimensions: {
        explained: numberOf(dimensions["explained"]),
        measured: numberOf(dimensions["measured"]),
        on: textOf(dimensions["on"]),
      },
    }),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function array(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function records(value: unknown): readonly Record<string, unknown>[] {
  return array(value).filter(isRecord);
}

function texts(value: unknown): readonly string[] {
  return array(value).filter((v) => typeof v === "string");
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
