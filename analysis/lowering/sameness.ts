/** @file Equal computations and equal constants: what the workspace has once, however often a graph writes it down. */
import type { Attribute } from "../graph/graph";
import type { Tensor } from "../graph/tensor";
import type { Item } from "./values";

/** A number that equal computations share. */
export function hashOf({ node, inputs }: Item): number {
  let hash = textHash(node.operator, node.outputs.length);
  for (let k = 0; k < inputs.length; k++) hash = mix(hash, inputs[k]!.id);
  const { perm, axis } = node.attributes;
  if (Array.isArray(perm)) for (const p of perm as readonly number[]) hash = mix(hash, p);
  return typeof axis === "number" ? mix(hash, axis) : hash;
}

function mix(hash: number, value: number): number {
  const h = Math.imul(hash ^ value, 0x9e3779b1);
  return h ^ (h >>> 15);
}

const FLOAT = new Float64Array(1);
const WORDS = new Int32Array(FLOAT.buffer);

/** A number that equal constants share. */
export function constantHash({ type, shape, data }: Tensor): number {
  let hash = textHash(type, shape.length);
  for (const n of shape) hash = mix(hash, n);
  for (let i = 0; i < data.length; i++) {
    // Zero of either sign is one number.
    FLOAT[0] = data[i]! + 0;
    hash = mix(mix(hash, WORDS[0]!), WORDS[1]!);
  }
  return hash;
}

/** Whether two tensors are the same, NaN being equal to itself. */
export function sameConstant(a: Tensor, b: Tensor): boolean {
  if (a.type !== b.type || a.shape.length !== b.shape.length || a.data.length !== b.data.length) return false;
  for (let i = 0; i < a.shape.length; i++) if (a.shape[i] !== b.shape[i]) return false;
  for (let i = 0; i < a.data.length; i++) {
    const [x, y] = [a.data[i]!, b.data[i]!];
    if (x !== y && !(Number.isNaN(x) && Number.isNaN(y))) return false;
  }
  return true;
}

function textHash(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = mix(hash, text.charCodeAt(i));
  return hash;
}

/** Whether two nodes compute the same from the same values. */
export function sameComputation(a: Item, b: Item): boolean {
  const [m, n] = [a.node, b.node];
  if (m.operator !== n.operator || m.domain !== n.domain || a.outputs.length !== b.outputs.length) return false;
  if (a.inputs.length !== b.inputs.length || a.inputs.some((x, i) => x !== b.inputs[i])) return false;
  const names = Object.keys(m.attributes);
  if (names.length !== Object.keys(n.attributes).length) return false;
  return names.every((name) => sameAttribute(m.attributes[name]!, n.attributes[name]));
}

/** Graphs and tensors count as different: comparing them costs more than computing twice. */
function sameAttribute(a: Attribute, b: Attribute | undefined): boolean {
  if (typeof a !== "object") return a === b;
  if (b === undefined || !Array.isArray(a) || !Array.isArray(b)) return false;
  return a.length === b.length && a.every((x, i) => x === b[i]);
}
