/** @file einops: rearrange, repeat, reduce, einsum, pack, unpack and their layers, as Reshape, Transpose, Expand and reductions. */
import { elementCount } from "../../../graph/tensor";
import { notUnderstood, PythonError, raise } from "../evaluator/errors";
import type { Interpreter } from "../evaluator/interpreter";
import { iterate } from "../evaluator/iterate";
import { call } from "../evaluator/functions";
import { namespaceOf } from "../values/namespaces";
import { intOf, is } from "../values/inspect";
import { int, list, native, positional, tuple, unknown } from "../values/make";
import type { Arguments, ClassValue, TensorValue, Value } from "../values/value";
import { shapeOf } from "./arguments";
import { einsum } from "./operations/contractions";
import { reduce } from "./operations/reductions";
import { layerClass } from "./layers/layer";

/** One side of a pattern: groups of axis names; "..." stands alone. */
type Side = readonly (readonly string[])[];

const cache = new Map<string, { left: Side; right: Side }>();

function side(text: string): Side {
  const out: string[][] = [];
  let group: string[] | undefined;
  for (const token of text.replaceAll("…", "...").match(/\.\.\.|[()]|[^\s()]+/g) ?? []) {
    if (token === "(") group = [];
    else if (token === ")") {
      if (group) out.push(group);
      group = undefined;
    } else if (group) group.push(token);
    else out.push([token]);
  }
  return out;
}

function parse(pattern: string): { left: Side; right: Side } {
  const known = cache.get(pattern);
  if (known) return known;
  const [l, r] = pattern.split("->");
  if (l === undefined || r === undefined) return notUnderstood(`the einops pattern '${pattern}'`);
  const made = { left: side(l), right: side(r) };
  cache.set(pattern, made);
  return made;
}

/** Names for the axes that an ellipsis stands for. */
function withoutEllipsis(s: Side, count: number): Side {
  const dots = Array.from({ length: count }, (_, i) => `...${i}`);
  return s.flatMap((g): (readonly string[])[] => {
    if (g.length === 1 && g[0] === "...") return dots.map((d) => [d]);
    return [g.flatMap((n) => (n === "..." ? dots : [n]))];
  });
}

function isUnit(name: string): boolean {
  return name === "1";
}

/** Sizes of all elementary axes of a side, from the sizes of its groups and the given ones. Throws PythonError. */
function solve(pattern: string, left: Side, shape: readonly number[], sizes: Map<string, number>): void {
  left.forEach((group, i) => {
    const total = shape[i]!;
    let known = 1;
    let open: string | undefined;
    for (const n of group) {
      if (isUnit(n)) continue;
      const s = sizes.get(n) ?? (/^\d+$/.test(n) ? Number(n) : undefined);
      if (s === undefined) {
        if (open !== undefined) raise("RuntimeError", `the sizes of ${open} and ${n} in '${pattern}' cannot be told apart`);
        open = n;
      } else known *= s;
    }
    if (open !== undefined) {
      if (total % known !== 0) throw new PythonError("RuntimeError", `'${pattern}': ${total} is not divisible by ${known}`);
      sizes.set(open, total / known);
    } else if (known !== total) {
      throw new PythonError("RuntimeError", `'${pattern}': an axis of size ${total} is read as ${known}`, undefined, [
        { got: total, expected: known },
      ]);
    }
  });
}

/** The common part of rearrange, repeat and reduce. */
export function transform(
  interpreter: Interpreter,
  x: TensorValue,
  pattern: string,
  given: ReadonlyMap<string, Value>,
  reduction?: Value,
): Value {
  const b = interpreter.builder;
  const parsed = parse(pattern);
  const sizes = new Map<string, number>();
  for (const [n, v] of given) {
    const s = intOf(v);
    if (s !== undefined) sizes.set(n, s);
    else if (!is(v, "unknown")) continue;
    else return notUnderstood(`the size of ${n} in '${pattern}' is not known`);
  }
  const dots = parsed.left.some((g) => g.includes("..."));
  if (x.shape === undefined) {
    const demanded = new Map<number, number>();
    parsed.left.forEach((g, i) => {
      if (!dots && g.every((n) => sizes.has(n) || isUnit(n)))
        demanded.set(
          i,
          g.reduce((p, n) => p * (sizes.get(n) ?? 1), 1),
        );
    });
    b.needShape(x, dots ? { minimumRank: parsed.left.length } : { rank: parsed.left.length, sizes: demanded });
  }
  const shape = shapeOf(interpreter, x);
  const missing = dots ? shape.length - (parsed.left.length - 1) : 0;
  const left = withoutEllipsis(parsed.left, missing);
  const right = withoutEllipsis(parsed.right, missing);
  if (left.length !== shape.length) raise("RuntimeError", `'${pattern}' does not fit a tensor with ${shape.length} dimensions`);
  solve(pattern, left, shape, sizes);
  const from = left.flat().filter((n) => !isUnit(n));
  const to = right.flat().filter((n) => !isUnit(n));
  const sizeOf = (n: string): number =>
    sizes.get(n) ?? (/^\d+$/.test(n) ? Number(n) : raise("RuntimeError", `the size of ${n} in '${pattern}' is not known`));
  let out = b.reshape(x, from.map(sizeOf));
  let axes = from;
  const gone = from.filter((n) => !to.includes(n));
  if (gone.length > 0) {
    if (reduction === undefined) raise("RuntimeError", `'${pattern}' drops ${gone.join(", ")}`);
    const operators: Readonly<Record<string, string>> = {
      mean: "ReduceMean",
      sum: "ReduceSum",
      max: "ReduceMax",
      min: "ReduceMin",
      prod: "ReduceProd",
    };
    const operator = typeof reduction === "string" ? operators[reduction] : undefined;
    if (!operator) return notUnderstood(`the reduction of '${pattern}'`);
    out = reduce(
      b,
      operator,
      out,
      gone.map((n) => from.indexOf(n)),
      false,
    );
    axes = from.filter((n) => to.includes(n));
  }
  out = b.transpose(
    out,
    to.filter((n) => axes.includes(n)).map((n) => axes.indexOf(n)),
  );
  const fresh = to.filter((n) => !axes.includes(n));
  if (fresh.length > 0) {
    out = b.unsqueeze(
      out,
      fresh.map((n) => to.indexOf(n)),
    );
    out = b.node("Expand", [out, b.ints(to.map(sizeOf))]);
  }
  return b.reshape(
    out,
    right.map((g) => g.reduce((p, n) => p * (isUnit(n) ? 1 : sizeOf(n)), 1)),
  );
}

function tensorArgument(interpreter: Interpreter, v: Value | undefined): TensorValue {
  if (is(v, "tensor")) return v;
  if (is(v, "list") || is(v, "tuple")) {
    const stack = interpreter.environment.importModule("torch", undefined);
    const f = is(stack, "namespace") ? stack.get("stack") : undefined;
    const made = f === undefined ? undefined : call(interpreter, f, positional(v));
    if (is(made, "tensor")) return made;
  }
  return (
    (v === undefined ? undefined : interpreter.builder.tensorOf(v)) ?? notUnderstood("the tensor of an einops call is not known")
  );
}

function run(interpreter: Interpreter, args: Arguments, withReduction: boolean): Value {
  interpreter.calls++;
  const [x, pattern, reduction] = args.positional;
  const text = pattern ?? args.keywords.get("pattern");
  if (typeof text !== "string") return notUnderstood("the pattern of an einops call is not known");
  return transform(
    interpreter,
    tensorArgument(interpreter, x),
    text,
    args.keywords,
    withReduction ? (reduction ?? args.keywords.get("reduction") ?? null) : undefined,
  );
}

function pack(interpreter: Interpreter, args: Arguments): Value {
  interpreter.calls++;
  const b = interpreter.builder;
  const [given, pattern] = args.positional;
  const tensors = iterate(interpreter, given ?? null);
  if (!tensors || typeof pattern !== "string") return notUnderstood("the arguments of pack are not known");
  const names = pattern.trim().split(/\s+/);
  const star = names.indexOf("*");
  const shapes: Value[] = [];
  const parts = tensors.map((v) => {
    const t = tensorArgument(interpreter, v);
    const shape = shapeOf(interpreter, t);
    const inner = shape.slice(star, shape.length - (names.length - star - 1));
    shapes.push(tuple(inner.map(int)));
    return b.reshape(t, [...shape.slice(0, star), elementCount(inner), ...shape.slice(shape.length - (names.length - star - 1))]);
  });
  return tuple([parts.length === 1 ? parts[0]! : b.node("Concat", parts, { axis: star }), list(shapes)]);
}

function unpack(interpreter: Interpreter, args: Arguments): Value {
  interpreter.calls++;
  const b = interpreter.builder;
  const [x, packed, pattern] = args.positional;
  const t = tensorArgument(interpreter, x);
  const shapes = iterate(interpreter, packed ?? null)?.map((s) =>
    (iterate(interpreter, s) ?? []).map((d) => intOf(d) ?? notUnderstood("the shapes of unpack are not known")),
  );
  if (!shapes || typeof pattern !== "string") return notUnderstood("the arguments of unpack are not known");
  const star = pattern.trim().split(/\s+/).indexOf("*");
  const shape = shapeOf(interpreter, t);
  // One part may be left open by a -1.
  const open = shapes.findIndex((s) => s.includes(-1));
  if (open >= 0) {
    const others = shapes.reduce((n, s, i) => (i === open ? n : n + elementCount(s)), 0);
    const rest = shape[star]! - others;
    const known = shapes[open]!.reduce((n, d) => (d === -1 ? n : n * d), 1);
    shapes[open] = shapes[open]!.map((d) => (d === -1 ? rest / known : d));
  }
  let at = 0;
  return list(
    shapes.map((inner) => {
      const n = elementCount(inner);
      const part = shapes.length === 1 ? t : b.slice(t, star, at, at + n);
      at += n;
      return b.reshape(part, [...shape.slice(0, star), ...inner, ...shape.slice(star + 1)]);
    }),
  );
}

/** The modules of einops by name. */
export function makeEinops(module: ClassValue): Map<string, Value> {
  const functionsOf = namespaceOf("einops", [
    ["rearrange", native("rearrange", (i, a) => run(i, a, false))],
    ["repeat", native("repeat", (i, a) => run(i, a, false))],
    ["reduce", native("reduce", (i, a) => run(i, a, true))],
    ["pack", native("pack", pack)],
    ["unpack", native("unpack", unpack)],
    [
      "einsum",
      native("einops.einsum", (i, a) => {
        i.calls++;
        const pattern = a.positional.at(-1);
        if (typeof pattern !== "string") return notUnderstood("the pattern of einsum is not known");
        const letters = new Map<string, string>();
        const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        const letter = (n: string): string => {
          if (n === "...") return n;
          let known = letters.get(n);
          if (known === undefined) {
            known = alphabet[letters.size]!;
            letters.set(n, known);
          }
          return known;
        };
        const [inputs, output] = pattern.split("->");
        const short = (inputs ?? "").split(",").map((t) =>
          t
            .trim()
            .split(/\s+/)
            .filter((n) => n !== "")
            .map(letter)
            .join(""),
        );
        const right = (output ?? "")
          .trim()
          .split(/\s+/)
          .filter((n) => n !== "")
          .map(letter)
          .join("");
        return einsum(
          i,
          `${short.join(",")}->${right}`,
          a.positional.slice(0, -1).map((v) => tensorArgument(i, v)),
        );
      }),
    ],
    [
      "parse_shape",
      native("parse_shape", (i, a) => {
        const t = tensorArgument(i, a.positional[0]);
        const names = String(a.positional[1] ?? "")
          .trim()
          .split(/\s+/);
        const shape = shapeOf(i, t);
        const entries = new Map<string, { key: Value; value: Value }>();
        names.forEach((n, k) => {
          if (n !== "_") entries.set(`s${n}`, { key: n, value: int(shape[k]!) });
        });
        return { k: "dict", entries };
      }),
    ],
    ["asnumpy", unknown("asnumpy")],
  ]);
  const layer = (name: string, reducing: boolean): ClassValue =>
    layerClass(module, name, {
      params: reducing ? "pattern reduction" : "pattern",
      init(c) {
        c.put("pattern", c.value("pattern"));
        c.put("reduction", c.value("reduction"));
        const entries = new Map<string, { key: Value; value: Value }>();
        for (const [k, v] of c.keywords) if (k !== "pattern" && k !== "reduction") entries.set(`s${k}`, { key: k, value: v });
        c.put("axes_lengths", { k: "dict", entries });
      },
      forward(c) {
        const pattern = c.attribute("pattern");
        const axes = c.attribute("axes_lengths");
        if (typeof pattern !== "string" || !is(axes, "dict")) return notUnderstood(`the pattern of ${name} is not known`);
        const given = new Map([...axes.entries.values()].map((e) => [String(e.key), e.value] as const));
        return transform(c.interpreter, c.tensor("input"), pattern, given, reducing ? c.attribute("reduction") : undefined);
      },
    });
  const layers = namespaceOf("einops.layers.torch", [
    ["Rearrange", layer("Rearrange", false)],
    ["Reduce", layer("Reduce", true)],
  ]);
  return new Map<string, Value>([
    ["einops", functionsOf],
    ["einops.layers.torch", layers],
    ["einops.layers", namespaceOf("einops.layers", [["torch", layers]])],
  ]);
}
