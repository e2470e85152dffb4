/**
 * @file Expands that feed only operators which broadcast anyway vanish: a scalar denominator that is written out over all
 * channels would look like a tensor with channels of its own.
 */
import type { Node } from "../graph/graph";
import type { Shape } from "../graph/tensor";
import type { Workspace } from "./workspace";

const BINARY: ReadonlySet<string> = new Set(
  "Add Sub Mul Div Pow Max Min Mod And Or Xor Equal Greater GreaterOrEqual Less LessOrEqual Where".split(" "),
);
const UNARY: ReadonlySet<string> = new Set(
  `Neg Abs Sqrt Exp Log Reciprocal Relu LeakyRelu Elu Selu Sigmoid HardSigmoid Tanh Erf Sin Cos Softplus Floor Ceil Round
  Sign Not Cast`.split(/\s+/),
);

/** The shape of an element-wise result; undefined where the shapes do not fit. */
function broadcastShape(shapes: readonly Shape[]): number[] | undefined {
  const out = new Array<number>(Math.max(0, ...shapes.map((s) => s.length))).fill(1);
  for (const shape of shapes) {
    const offset = out.length - shape.length;
    for (const [i, d] of shape.entries()) {
      if (d === 1) continue;
      if (out[i + offset] !== 1 && out[i + offset] !== d) return undefined;
      out[i + offset] = d;
    }
  }
  return out;
}

/**
 * Removes what Expands it can. Unary functions are moved in front of the Expand they read; then each element-wise reader
 * takes what was expanded wherever its result keeps its shape. An Expand that others still read stays for them. True if
 * there was an Expand.
 */
export function dropExpands(w: Workspace): boolean {
  if (!w.nodes.some((n) => n.operator === "Expand" && n.domain === "")) return false;
  const expanded = (value: string): Node | undefined => {
    const node = w.writer(value);
    return node?.operator === "Expand" && node.domain === "" ? node : undefined;
  };
  w.rewrite((node) => {
    if (node.domain === "" && UNARY.has(node.operator)) {
      const inner = expanded(node.inputs[0]!);
      if (inner !== undefined) {
        const small = w.fresh(`${node.name}/small`);
        w.add({ ...node, name: small, inputs: [inner.inputs[0]!, ...node.inputs.slice(1)], outputs: [small] });
        w.add({ ...inner, name: node.name, inputs: [w.resolve(small), inner.inputs[1]!], outputs: node.outputs });
        return;
      }
    }
    w.add(node.domain === "" && BINARY.has(node.operator) ? withoutExpands(w, node, expanded) : node);
  });
  return true;
}

function withoutExpands(w: Workspace, node: Node, expanded: (value: string) => Node | undefined): Node {
  if (!node.inputs.some((i) => expanded(i) !== undefined)) return node;
  const result = w.type(node.outputs[0]!).shape;
  const inputs = [...node.inputs];
  if (result === undefined) return node;
  for (const [k, name] of inputs.entries()) {
    const inner = expanded(name)?.inputs[0];
    if (inner === undefined) continue;
    const shapes = inputs.map((i, j) => w.type(j === k ? inner : i).shape);
    if (shapes.some((s) => s === undefined)) continue;
    const shape = broadcastShape(shapes as Shape[]);
    if (shape !== undefined && shape.length === result.length && shape.every((d, i) => d === result[i])) inputs[k] = inner;
  }
  return { ...node, inputs };
}
