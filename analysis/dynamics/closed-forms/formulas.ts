/** @file The formulas that findings and hovers quote: notation, source and how well each is known, in one list. */

/**
 * How well a formula is known. read: in the paper or its authors' code. derived: from the paper's statements, and confirmed
 * numerically by our tests. heuristic: a plausible estimate; texts must say so.
 */
export type Standing = "read" | "derived" | "heuristic";

/** One quotable formula. `eta` is the learning rate, `lambda` the decay in PyTorch's sense (penalty lambda/2 |theta|^2). */
export interface Formula {
  readonly formula: string;
  /** What it says, in one plain sentence. */
  readonly meaning: string;
  readonly source: string;
  readonly standing: Standing;
}

const MIRROR = "Ziyin 2023, arXiv 2309.16932";
const COLLAPSE = "Chen et al. 2023, arXiv 2306.04251";
const NLD = "Tanaka & Kunin 2021, arXiv 2105.02716";
const MECHANICS = "Kunin et al. 2020, arXiv 2012.04728";

/** All formulas by name; the functions of this folder refer to them. */
export const FORMULAS = {
  decayThreshold: {
    formula: "lambda > -h_min",
    meaning: "Decay beats the loss: the symmetric point attracts when lambda exceeds the steepest descent away from it.",
    source: `${MIRROR}, theorem 1`,
    standing: "derived",
  },
  noiseThreshold: {
    formula: "E log|1 - eta (h_b + lambda)| < 0",
    meaning: "Gradient noise of small batches pulls into the symmetric point although the mean gradient leads away.",
    source: `${MIRROR}; ${COLLAPSE}`,
    standing: "derived",
  },
  collapseMargin: {
    formula: "M = lambda |O^T theta|^2 / (2 [L((I - OO^T) theta) - L(theta)]) > 1",
    meaning: "The decay that collapsing saves outweighs what it costs in loss.",
    source: `${MIRROR}, theorem 1`,
    standing: "derived",
  },
  deadUnit: {
    formula: "lambda > sigma_max(E[delta x^T])",
    meaning: "A unit whose gradient per unit of weight stays below the decay shrinks to zero.",
    source: MIRROR,
    standing: "derived",
  },
  softThreshold: {
    formula: "sigma -> max(sigma - lambda, 0)",
    meaning: "Decay on both factors of a product lowers every singular value of the product by lambda; the small ones vanish.",
    source: MIRROR,
    standing: "derived",
  },
  identicalUnits: {
    formula: "lambda > -h_split",
    meaning: "Two equal units stay equal unless the loss separates them faster than decay joins them.",
    source: MIRROR,
    standing: "derived",
  },
  adamThreshold: {
    formula: "|w| -> |E u| / lambda",
    meaning: "Decoupled decay holds a weight where it balances the mean of Adam's normalised update.",
    source: "Loshchilov & Hutter 2017, arXiv 1711.05101 (the balance derived here)",
    standing: "heuristic",
  },
  equilibriumNorm: {
    formula: "r^4 = eta E|g|^2 / (2 lambda (1 - beta)), g at unit norm",
    meaning: "The norm of scale-invariant weights settles where decay balances the outward push of the steps.",
    source: `${NLD}; ${MECHANICS}`,
    standing: "derived",
  },
  angularStep: {
    formula: "sqrt(2 eta lambda / (1 + beta)) rad per step",
    meaning: "In equilibrium weights before a normalisation turn by this angle each step, whatever the gradient.",
    source: `${NLD}; Wan et al. 2020, arXiv 2006.08419`,
    standing: "derived",
  },
  undecayedNorm: {
    formula: "r^4 = r_0^4 + 2 eta^2 n E|g|^2",
    meaning: "Without decay the norm of scale-invariant weights only grows, and the effective learning rate falls by itself.",
    source: MECHANICS,
    standing: "derived",
  },
  balanceHalfLife: {
    formula: "ln 2 / (2 eta lambda) steps",
    meaning: "The imbalance between incoming and outgoing weights decays with this half-life.",
    source: MECHANICS,
    standing: "read",
  },
  translationDecay: {
    formula: "Q_n = (1 - eta lambda)^n Q_0",
    meaning: "A direction that the loss does not see gets no gradient: it only decays.",
    source: MECHANICS,
    standing: "read",
  },
  syreForce: {
    formula: "lambda sigma_0 sqrt(rank P)",
    meaning: "Decay towards a frozen random anchor pushes weights off the symmetric point by this force.",
    source: "Ziyin, Xu & Chuang 2024, arXiv 2408.15495",
    standing: "derived",
  },
  criticalRate: {
    formula: "|w|^2 = a - b eta^2, eta_c = sqrt(a / b)",
    meaning: "The order parameter vanishes continuously at the critical learning rate.",
    source: "Fok, An & Wang 2017, arXiv 1710.06096",
    standing: "heuristic",
  },
} as const satisfies Readonly<Record<string, Formula>>;

/** The name of a closed form. */
export type FormulaName = keyof typeof FORMULAS;
