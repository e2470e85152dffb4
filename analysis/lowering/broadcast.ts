/**
 * @file Expands that feed only operators which broadcast anyway vanish: a scalar denominator that is written out over all
 * channels would look like a tensor with channels of its own.
 */
import type { Node } from "../graph/graph";
import type { Shape } from "../graph/tensor";
import { sameShape } from "./simplify";
import type { Workspace } from "./workspace";
import type { Item } from "./values";

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
  if (!w.itemsOf("Expand").some(isExpand)) return false;
  w.rewrite((item) => {
    const { node } = item;
    const inner = item.inputs[0]?.writer;
    if (node.domain === "" && UNARY.has(node.operator) && inner !== undefined && isExpand(inner)) {
      const small = w.fresh(`${node.name}/small`);
      w.add({ ...node, name: small, inputs: [inner.node.inputs[0]!, ...node.inputs.slice(1)], outputs: [small] });
      w.add({ ...inner.node, name: node.name, inputs: [small, inner.node.inputs[1]!], outputs: node.outputs });
    } else {
      w.add(node.domain === "" && BINARY.has(node.operator) ? withoutExpands(item) : node);
    }
  });
  return true;
}

function isExpand({ node, inputs }: Item): boolean {
  return node.operator === "Expand" && node.domain === "" && inputs.length === 2;
}

/** The node with what is expanded in the place of expansions, wherever its result keeps its shape. */
function withoutExpands(item: Item): Node {
  const result = item.outputs[0]!.type.shape;
  const values = [...item.inputs];
  for (const [k, { writer }] of values.entries()) {
    if (writer === undefined || !isExpand(writer)) continue;
    const [before, small] = [values[k]!, writer.inputs[0]!];
    values[k] = small;
    const shapes = values.map((v) => v.type.shape);
    const shape = shapes.some((s) => s === undefined) ? undefined : broadcastShape(shapes as Shape[]);
    if (!sameShape(shape, result)) values[k] = before;
  }
  return { ...item.node, inputs: values.map((v) => v.name) };
}
