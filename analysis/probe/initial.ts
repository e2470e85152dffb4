/**
 * @file How parameters start in a probe: as the code says (torch.nn.init), else as PyTorch's layers do. A file's trained
 * weights are not used: a probe watches training from its beginning.
 */
import { consumers, type Graph, type Parameter } from "../graph/graph";
import { elementCount, isFloating, type Shape } from "../graph/tensor";
import { Random } from "../numerics/random";
import { type Role, roleOf } from "../runtime/random-weights";
import type { ParameterValues } from "../symmetry/symmetry";

/** FNV-1a, so that a parameter's values depend on its name and not on its place among the others. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h;
}

/**
 * Initial values of all parameters and buffers. Weights of layers are uniform in +-1/sqrt(fan-in) and so are their biases
 * (torch.nn.Linear, Conv, RNN), embeddings standard normal, gains and variances one, shifts and means zero, slopes a quarter.
 * Frozen parameters keep the values of their file, where it has some.
 * @param seed equal seeds give equal values, parameter by parameter
 */
export function initialValues(graph: Graph, seed: number): ParameterValues {
  const readers = consumers(graph);
  const roles = new Map([...graph.parameters.values()].map((p) => [p.name, roleOf(p, graph, readers)]));
  const out = new Map<string, Float64Array>();
  for (const p of graph.parameters.values()) {
    if (p.type === "string") continue;
    const read = p.trainable ? undefined : p.read?.();
    if (read && !isStatistic(roles.get(p.name)!)) out.set(p.name, read.data);
    else if (isFloating(p.type)) out.set(p.name, draw(p, graph, roles, seed));
    else out.set(p.name, read?.data ?? new Float64Array(elementCount(p.shape)));
  }
  return out;
}

const isStatistic = (role: Role): boolean => role.kind === "mean" || role.kind === "variance";

function draw(p: Parameter, graph: Graph, roles: ReadonlyMap<string, Role>, seed: number): Float64Array {
  const random = new Random(hash(p.name) ^ Math.imul(seed | 0, 0x9e3779b1));
  const count = elementCount(p.shape);
  const given = p.initialisation;
  if (given?.constant !== undefined) return new Float64Array(count).fill(given.constant);
  if (given !== undefined && given.scheme !== "default") {
    if (/orthogonal/.test(given.scheme)) return orthogonal(p.shape, random);
    if (/eye|dirac/.test(given.scheme)) return identity(p.shape);
    if (given.std !== undefined) return spread(given.scheme, given.std, count, random);
  }
  const role = roles.get(p.name)!;
  switch (role.kind) {
    case "weight":
      return random.uniforms(count, -1 / Math.sqrt(Math.max(1, role.fanIn)), 1 / Math.sqrt(Math.max(1, role.fanIn)));
    case "table":
      return random.normals(count);
    case "gain":
    case "variance":
      return new Float64Array(count).fill(1);
    case "slope":
      return new Float64Array(count).fill(0.25);
    case "mean":
      return new Float64Array(count);
    case "bias": {
      const bound = biasBound(p, graph, roles);
      return bound === undefined ? new Float64Array(count) : random.uniforms(count, -bound, bound);
    }
  }
}

/** 1/sqrt(fan-in) of the weight beside a bias; undefined for the shift of a normalisation. */
function biasBound(p: Parameter, graph: Graph, roles: ReadonlyMap<string, Role>): number | undefined {
  const at = p.name.lastIndexOf("bias");
  if (at < 0) return undefined;
  const weight = graph.parameters.get(`${p.name.slice(0, at)}weight${p.name.slice(at + 4)}`);
  const role = weight && roles.get(weight.name);
  return role?.kind === "weight" ? 1 / Math.sqrt(Math.max(1, role.fanIn)) : undefined;
}

function spread(scheme: string, std: number, count: number, random: Random): Float64Array {
  if (/uniform/.test(scheme)) {
    const bound = std * Math.sqrt(3);
    return random.uniforms(count, -bound, bound);
  }
  const out = random.normals(count, std);
  // torch's default bounds, +-2, rarely matter; values beyond are drawn again.
  if (/trunc/.test(scheme)) for (let i = 0; i < count; i++) while (Math.abs(out[i]!) > 2) out[i] = std * random.normal();
  return out;
}

/** A matrix [rows, rest] with orthonormal rows or columns, whichever are fewer (torch.nn.init.orthogonal_). */
function orthogonal(shape: Shape, random: Random): Float64Array {
  const rows = shape[0] ?? 1;
  const columns = elementCount(shape) / rows;
  const few = Math.min(rows, columns);
  const long = Math.max(rows, columns);
  const vectors: Float64Array[] = [];
  while (vectors.length < few) {
    const v = random.normals(long);
    for (const u of vectors) {
      let dot = 0;
      for (let i = 0; i < long; i++) dot += u[i]! * v[i]!;
      for (let i = 0; i < long; i++) v[i]! -= dot * u[i]!;
    }
    const norm = Math.hypot(...v);
    if (norm < 1e-6) continue;
    vectors.push(v.map((x) => x / norm));
  }
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[i * columns + j] = rows <= columns ? vectors[i]![j]! : vectors[j]![i]!;
  }
  return out;
}

/** Ones on the diagonal; of convolution kernels at their centre. */
function identity(shape: Shape): Float64Array {
  const out = new Float64Array(elementCount(shape));
  const rest = shape.slice(2);
  const centre = rest.reduce((at, d) => at * d + Math.floor(d / 2), 0);
  const inner = elementCount(rest);
  for (let i = 0; i < Math.min(shape[0] ?? 0, shape[1] ?? 0); i++) out[(i * shape[1]! + i) * inner + centre] = 1;
  return out;
}
