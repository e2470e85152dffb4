/** @file Numbers, lists and addresses as people read them. */
import { filled, say } from "../texts/say";
import { type Address, formatAddress } from "../symmetry/symmetry";

/** 11689512 as `11,689,512`. */
export function count(n: number): string {
  return n.toLocaleString("en-US");
}

/** `1 parameter`, `1,728 parameters`. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return filled(n === 1 ? `{0} ${one}` : `{0} ${many}`, [count(n)]);
}

/** `a`, `a and b`, `a, b and c`. */
export function list(items: readonly string[]): string {
  return items.length < 2 ? (items[0] ?? "") : say`${items.slice(0, -1).join(", ")} and ${items.at(-1)!}`;
}

/** A small number such as a deviation: `3.1e-7`. */
export function small(x: number): string {
  return x === 0 ? "0" : x.toExponential(1);
}

/** Whole numbers with runs joined: `0-3, 7`. */
export function runs(numbers: readonly number[]): string {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  const out: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let j = i;
    while (sorted[j + 1] === sorted[j]! + 1) j++;
    out.push(j > i + 1 ? `${sorted[i]}-${sorted[j]}` : sorted.slice(i, j + 1).join(","));
    i = j + 1;
  }
  return out.join(",");
}

/** What remains of a name when its numbers are left out; names of repeated layers agree in it. */
export function template(name: string): string {
  return name.replace(/\d+/g, "#");
}

/** Names that agree but for their numbers as one: `layer{1-4}.0.conv1`. Throws nothing; names that do not agree are listed. */
export function merge(names: readonly string[]): string {
  const distinct = [...new Set(names)];
  const first = distinct[0];
  if (first === undefined) return "";
  if (distinct.some((n) => template(n) !== template(first))) return distinct.join(", ");
  const columns = distinct.map((n) => n.match(/\d+/g) ?? []);
  let at = 0;
  return first.replace(/\d+/g, (own) => {
    const values = new Set(columns.map((c) => c[at]!));
    at++;
    return values.size === 1 ? own : `{${runs([...values].map(Number))}}`;
  });
}

/** The last part of a module path that says something: `conv1` of `layer1.0.conv1`, `features.0` of `features.0`. */
export function shortScope(scope: string): string {
  const parts = scope.split(/[./]/);
  let from = parts.length - 1;
  while (from > 0 && /^\d+$/.test(parts[from]!)) from--;
  return parts.slice(from).join(".");
}

/** A parameter's name as its module and the rest. */
function splitName(parameter: string): readonly [module: string, leaf: string] {
  const dot = parameter.lastIndexOf(".");
  return dot < 0 ? ["", parameter] : [parameter.slice(0, dot), parameter.slice(dot + 1)];
}

/** What follows the parameter's name in an address: `/0[4:8]=(2,2):1`. */
function place(a: Address): string {
  return formatAddress(a).slice(a.parameter.length);
}

/**
 * Addresses in short, those of one module at one place together: `fc1.{weight,bias}/0`, `fc2.weight/1`. Each entry of
 * `instances` is the list of one space; several are lists of repeated layers that agree but for their numbers.
 */
export function shortAddresses(instances: readonly (readonly Address[])[]): string[] {
  const first = instances[0] ?? [];
  const groups = new Map<string, { module: string; place: string; leaves: string[] }>();
  first.forEach((a, i) => {
    const [module, leaf] = splitName(a.parameter);
    const modules = instances.map((acts) => splitName(acts[i]!.parameter)[0]);
    const where = place(a);
    const key = `${module} ${where}`;
    const known = groups.get(key);
    if (known) known.leaves.push(leaf);
    else groups.set(key, { module: merge(modules), place: where, leaves: [leaf] });
  });
  return [...groups.values()].map((g) => {
    const leaves = g.leaves.length === 1 ? g.leaves[0]! : `{${g.leaves.join(",")}}`;
    return `${g.module === "" ? "" : `${g.module}.`}${leaves}${g.place}`;
  });
}

/** As many items as fit into a width, and how many more there are: `a, b and 12 more`. */
export function fitted(items: readonly string[], width: number): string {
  let out = "";
  for (const [i, item] of items.entries()) {
    const next = i === 0 ? item : `${out}, ${item}`;
    const left = items.length - i - 1;
    const tail = left === 0 ? "" : say` and ${count(left)} more`;
    if (i > 0 && next.length + tail.length > width) return say`${out} and ${count(items.length - i)} more`;
    out = next;
  }
  return out;
}

/** Text in lines of at most so many characters, where its words allow it. */
export function wrap(text: string, width: number): string[] {
  const out: string[] = [];
  for (const word of text.split(" ")) {
    const line = out.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= width) out[out.length - 1] = `${line} ${word}`;
    else out.push(word);
  }
  return out;
}
