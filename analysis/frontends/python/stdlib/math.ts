/** @file Python's `math`. */
import { raise } from "../evaluator/errors";
import { iterate } from "../evaluator/iterate";
import { binary } from "../evaluator/operators";
import { functions, namespaceOf } from "../values/namespaces";
import { intOf, is, numberOf } from "../values/inspect";
import { float, int, native, unknown } from "../values/make";
import type { Value } from "../values/value";
import { scalarTensor } from "../torch/arguments";

function unary(name: string, f: (x: number) => number, isInt = false): [string, Value] {
  return [
    name,
    native(`math.${name}`, (i, a) => {
      const v = a.positional[0] ?? null;
      const n = numberOf(v) ?? scalarTensor(v);
      if (n === undefined) return is(v, "tensor") ? i.builder.opaque(`math.${name}`, [v]) : unknown(`math.${name}`, v);
      const out = f(n);
      if (Number.isNaN(out) && !Number.isNaN(n)) raise("ValueError", "math domain error");
      return isInt ? int(out) : float(out);
    }),
  ];
}

/** The module `math`. */
export function math(): Value {
  return namespaceOf("math", [
    unary("sqrt", Math.sqrt),
    unary("exp", Math.exp),
    unary("sin", Math.sin),
    unary("cos", Math.cos),
    unary("tan", Math.tan),
    unary("tanh", Math.tanh),
    unary("atan", Math.atan),
    unary("asin", Math.asin),
    unary("acos", Math.acos),
    unary("log2", Math.log2),
    unary("log10", Math.log10),
    unary("log1p", Math.log1p),
    unary("fabs", Math.abs),
    unary("radians", (x) => (x * Math.PI) / 180),
    unary("degrees", (x) => (x * 180) / Math.PI),
    unary("erf", erf),
    unary("floor", Math.floor, true),
    unary("ceil", Math.ceil, true),
    unary("trunc", Math.trunc, true),
    unary("isqrt", (x) => Math.floor(Math.sqrt(x)), true),
    unary("factorial", (x) => Array.from({ length: Math.min(x, 171) }, (_, i) => i + 1).reduce((p, q) => p * q, 1), true),
    ...functions("math", {
      log: (_, a) => {
        const n = numberOf(a.positional[0]);
        const base = a.positional[1] === undefined ? undefined : numberOf(a.positional[1]);
        if (n === undefined) return unknown("math.log");
        if (n <= 0) raise("ValueError", "math domain error");
        return float(base === undefined ? Math.log(n) : Math.log(n) / Math.log(base));
      },
      pow: (_, a) => {
        const [x, y] = a.positional.map(numberOf);
        return x === undefined || y === undefined ? unknown("math.pow") : float(x ** y);
      },
      isclose: (_, a) => {
        const [x, y] = a.positional.map(numberOf);
        return x === undefined || y === undefined
          ? unknown("isclose")
          : Math.abs(x - y) <= 1e-9 * Math.max(Math.abs(x), Math.abs(y));
      },
      isnan: (_, a) => Number.isNaN(numberOf(a.positional[0]) ?? 0),
      isinf: (_, a) => Math.abs(numberOf(a.positional[0]) ?? 0) === Number.POSITIVE_INFINITY,
      isfinite: (_, a) => Number.isFinite(numberOf(a.positional[0]) ?? 0),
      gcd: (_, a) => int(a.positional.map((v) => intOf(v) ?? 1).reduce(gcd)),
      lcm: (_, a) => int(a.positional.map((v) => intOf(v) ?? 1).reduce((x, y) => (x * y) / gcd(x, y))),
      atan2: (_, a) => float(Math.atan2(numberOf(a.positional[0]) ?? 0, numberOf(a.positional[1]) ?? 1)),
      fmod: (_, a) => float((numberOf(a.positional[0]) ?? 0) % (numberOf(a.positional[1]) ?? 1)),
      comb: (_, a) => {
        const n = intOf(a.positional[0]) ?? 0;
        const k = intOf(a.positional[1]) ?? 0;
        let out = 1;
        for (let i = 0; i < k; i++) out = (out * (n - i)) / (i + 1);
        return int(Math.round(out));
      },
      prod: (i, a) => (iterate(i, a.positional[0] ?? null) ?? []).reduce<Value>((x, y) => binary(i, "*", x, y), int(1)),
      fsum: (i, a) => (iterate(i, a.positional[0] ?? null) ?? []).reduce<Value>((x, y) => binary(i, "+", x, y), float(0)),
    }),
    ["pi", float(Math.PI)],
    ["e", float(Math.E)],
    ["tau", float(2 * Math.PI)],
    ["inf", float(Number.POSITIVE_INFINITY)],
    ["nan", float(Number.NaN)],
  ]);
}

function gcd(x: number, y: number): number {
  let a = Math.abs(x);
  let b = Math.abs(y);
  while (b) [a, b] = [b, a % b];
  return a;
}

/** Abramowitz and Stegun 7.1.26 is too coarse; a Taylor series is exact enough for the arguments that occur. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x);
  let term = x;
  let total = x;
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}
