/** @file What Noether writes into a model's metadata so that reading it again gives the same Graph. */
import type { Graph } from "../../graph/graph";
import type { Role } from "./classify";
import type { ModelProto } from "./generated/onnx_pb";

/** Key of the metadata entry: a JSON object from parameter names to roles. */
export const ROLES_KEY = "noether.parameters";

const ROLES: readonly Role[] = ["parameter", "frozen", "buffer"];

/** The roles of a Graph's parameters as the entry's value. */
export function writeRoles(graph: Graph): string {
  const roles: Record<string, Role> = {};
  for (const p of graph.parameters.values()) roles[p.name] = p.buffer ? "buffer" : p.trainable ? "parameter" : "frozen";
  return JSON.stringify(roles);
}

/** Roles that a file states; a malformed entry is noted and ignored. */
export function readRoles(model: ModelProto, notes: string[]): Map<string, Role> {
  const out = new Map<string, Role>();
  const entry = model.metadataProps.find((e) => e.key === ROLES_KEY);
  if (!entry) return out;
  let value: unknown;
  try {
    value = JSON.parse(entry.value);
  } catch {
    value = undefined;
  }
  if (typeof value !== "object" || value === null) {
    notes.push(`the metadata entry ${ROLES_KEY} is not a JSON object and is ignored`);
    return out;
  }
  for (const [name, role] of Object.entries(value)) {
    const known = ROLES.find((r) => r === role);
    if (known) out.set(name, known);
  }
  return out;
}
