/**
 * @file Common factors of sums: x f - m f is (x - m) f, and x + x z is x (1 + z). Written apart, what is divided by a norm is
 * no longer one value whose mean was taken away (Keras writes its norms so), and a product no longer one unit.
 */
import type { Node } from "../graph/graph";
import { isFloating, scalar } from "../graph/tensor";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

/** A summand and its sign. */
interface Term {
  readonly value: Value;
  readonly sign: 1 | -1;
}

/** Summands that share a factor: what the factor multiplies (undefined is one), with signs. */
interface Gathered {
  readonly factor: Value;
  readonly parts: readonly { readonly value: Value | undefined; readonly sign: 1 | -1 }[];
  readonly rest: readonly Term[];
}

/** Sums of more terms are left as they are. */
const MOST_TERMS = 8;

/** Takes common factors out of sums; true if there was one. */
export function gatherFactors(w: Workspace): boolean {
  const sums = w.itemsOf("Add", "Sub").filter(isSum);
  if (sums.length === 0 || w.itemsOf("Mul").length === 0) return false;
  w.countReaders();
  const found = new Map<Item, Gathered>();
  for (const item of sums) {
    if (!hasProductOrSum(item) || isInner(item)) continue;
    const terms = termsOf(item);
    const gathered = terms && gather(terms);
    if (gathered) found.set(item, gathered);
  }
  if (found.size === 0) return false;
  w.rewrite((item) => {
    const gathered = found.get(item);
    if (gathered) writeSum(w, item, gathered);
    else w.add(item.node);
  });
  return true;
}

function isSum({ node, outputs }: Item): boolean {
  return node.domain === "" && (node.operator === "Add" || node.operator === "Sub") && isFloating(outputs[0]!.type.type);
}

/** Whether one item reads a value, and nothing else does. */
function isPrivate({ reads, reader }: Value): boolean {
  return reads === 1 && reader !== undefined;
}

/** Whether a sum is a summand of another one. */
function isInner({ outputs }: Item): boolean {
  return isPrivate(outputs[0]!) && isSum(outputs[0]!.reader!);
}

/** Whether some summand is a product or a sum: only products have factors. */
function hasProductOrSum({ inputs }: Item): boolean {
  for (const { writer } of inputs) if (writer !== undefined && (writer.node.operator === "Mul" || isSum(writer))) return true;
  return false;
}

/** The summands of a sum and of the sums that only it reads; undefined where they are too many. */
function termsOf(root: Item): readonly Term[] | undefined {
  const out: Term[] = [];
  const stack: { item: Item; sign: 1 | -1 }[] = [{ item: root, sign: 1 }];
  while (stack.length > 0) {
    const { item, sign } = stack.pop()!;
    item.inputs.forEach((value, k) => {
      const own = k === 1 && item.node.operator === "Sub" ? (-sign as 1 | -1) : sign;
      if (value.writer && isSum(value.writer) && isPrivate(value)) stack.push({ item: value.writer, sign: own });
      else out.push({ value, sign: own });
    });
    if (out.length + stack.length > MOST_TERMS) return undefined;
  }
  return out;
}

/** The two factors of a product that only a sum reads, neither of them a constant. */
function factorsOf({ value }: Term): readonly [Value, Value] | undefined {
  const { writer } = value;
  if (writer?.node.operator !== "Mul" || writer.node.domain !== "" || !isPrivate(value)) return undefined;
  const [a, b] = writer.inputs as [Value, Value];
  return a === b || a.constant !== undefined || b.constant !== undefined ? undefined : [a, b];
}

/** The first factor that two terms share, with all terms that have it. */
function gather(terms: readonly Term[]): Gathered | undefined {
  const factors = terms.map((t) => factorsOf(t));
  for (const factor of factors.flatMap((f) => f ?? [])) {
    const has = (k: number): boolean => factors[k]?.includes(factor) ?? terms[k]!.value === factor;
    const sharing = terms.flatMap((_, k) => (has(k) ? [k] : []));
    if (sharing.length < 2) continue;
    const parts = sharing.map((k) => {
      const pair = factors[k];
      return { value: pair && (pair[0] === factor ? pair[1] : pair[0]), sign: terms[k]!.sign };
    });
    return { factor, parts, rest: terms.filter((_, k) => !sharing.includes(k)) };
  }
  return undefined;
}

/** Adds factor * (sum of parts) + rest under the name of the sum's output. */
function writeSum(w: Workspace, { node, outputs }: Item, { factor, parts, rest }: Gathered): void {
  const value = (operator: string, inputs: readonly string[]): string => {
    const output = w.fresh(`${node.name}/${operator}`);
    w.add({ ...node, name: output, operator, inputs, outputs: [output], attributes: {} });
    return w.resolve(output);
  };
  const one = (): string => w.addConstant(scalar(1, outputs[0]!.type.type));
  const terms = parts.map((p) => ({ name: p.value?.name ?? one(), sign: p.sign }));
  // Positive terms first: a sum begins with one, or all of it is negative.
  const ordered = [...terms].sort((a, b) => b.sign - a.sign);
  const flip = ordered[0]!.sign;
  let inner = ordered[0]!.name;
  for (const t of ordered.slice(1)) inner = value(t.sign === flip ? "Add" : "Sub", [inner, t.name]);
  const all: { name: string; sign: 1 | -1 }[] = [
    ...(rest.length > 0 ? [{ name: value("Mul", [inner, factor.name]), sign: flip }] : []),
    ...rest.map((t) => ({ name: t.value.name, sign: t.sign })),
  ].sort((a, b) => b.sign - a.sign);
  // The last step has the name of the sum's output.
  const last = (operator: Node["operator"], inputs: readonly string[]): void => w.add({ ...node, operator, inputs });
  if (all.length === 0) {
    if (flip === 1) last("Mul", [inner, factor.name]);
    else last("Neg", [value("Mul", [inner, factor.name])]);
    return;
  }
  const isNegative = all[0]!.sign === -1;
  let sum = all[0]!.name;
  all.slice(1).forEach((t, k) => {
    const operator = t.sign === all[0]!.sign ? "Add" : "Sub";
    if (k === all.length - 2 && !isNegative) last(operator, [sum, t.name]);
    else sum = value(operator, [sum, t.name]);
  });
  if (isNegative) last("Neg", [sum]);
}
