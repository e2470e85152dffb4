/** @file Formulas as plain Unicode that editors and terminals show alike. */

const GREEK: Readonly<Record<string, string>> = {
  lambda: "λ",
  sigma: "σ",
  theta: "θ",
  delta: "δ",
  beta: "β",
  eta: "η",
};
const SUPERSCRIPTS: Readonly<Record<string, string>> = { 2: "²", 4: "⁴", n: "ⁿ", T: "ᵀ" };
const SUBSCRIPTS: Readonly<Record<string, string>> = { 0: "₀" };

/** `sigma -> max(sigma - lambda, 0)` as `σ → max(σ − λ, 0)`. Signs that Unicode has no small form of stay as they are. */
export function typeset(formula: string): string {
  return formula
    .replace(/\b(lambda|sigma|theta|delta|beta|eta)(?![a-z])/g, (name) => GREEK[name]!)
    .replace(/sqrt\(/g, "√(")
    .replace(/\^([24nT])(?![a-z])/g, (_, sign: string) => SUPERSCRIPTS[sign]!)
    .replace(/_(0)/g, (_, sign: string) => SUBSCRIPTS[sign]!)
    .replace(/->/g, "→")
    .replace(/ - /g, " − ")
    .replace(/(^|[\s(])-(?=[a-zλσθ])/g, "$1−");
}

const DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
/** Signs of groups, longest first. */
const GROUPS: readonly (readonly [RegExp, string])[] = [
  [/\bR\*\^(\d+)/g, "(ℝ*)^$1"],
  [/\bR\+\^(\d+)/g, "(ℝ₊)^$1"],
  [/\bR\*/g, "ℝ*"],
  [/\bR\+/g, "ℝ₊"],
  [/\bR(?=\^|\b)/g, "ℝ"],
  [/\bZ2\b/g, "ℤ₂"],
  [/ x /g, " × "],
];

/** A group's name: `S(64) with R*^64 x Z2` as `S(64) with (ℝ*)⁶⁴ × ℤ₂`. */
export function typesetGroup(group: string): string {
  return GROUPS.reduce((text, [pattern, sign]) => text.replace(pattern, sign), group).replace(/\^(\d+)/g, (_, power: string) =>
    [...power].map((digit) => DIGITS[Number(digit)]!).join(""),
  );
}

/** A source with its arXiv numbers as links. */
export function withLinks(source: string): string {
  return source.replace(/arXiv (\d{4}\.\d{5})/g, "[arXiv $1](https://arxiv.org/abs/$1)");
}
