/**
 * @file The form in which exchanges are looked for: values that are one another's mirror image are one value and its negative,
 * and what chooses between two things shows how much it takes of each.
 */
import type { Graph, Node } from "../graph/graph";
import { scalar, type TensorType } from "../graph/tensor";
import type { Item, Value } from "./values";
import { Workspace } from "./workspace";

/** f(-x) = -f(x). */
export const ODD: ReadonlySet<string> = new Set([
  ...["Tanh", "Erf", "Sin", "Tan", "Asin", "Atan", "Sinh", "Asinh", "Atanh", "Softsign", "Sign", "Reciprocal"],
]);
/** f(-x) = f(x). */
export const EVEN: ReadonlySet<string> = new Set(["Abs", "Cos", "Cosh"]);

/** The same graph with signs moved from operands to results, and c + t (a - c) as t a + (1 - t) c; itself where there are none. */
export function mirroredForm(graph: Graph): Graph {
  const has = (...operators: readonly string[]): boolean => {
    const wanted = new Set(operators);
    return graph.nodes.some((n) => n.domain === "" && wanted.has(n.operator));
  };
  if (!has("Neg") && !(has("Sub") && has("Mul") && has("Add", "Sub"))) return graph;
  const w = new Workspace(graph);
  const rewriting = new Mirroring(w);
  let changes = 0;
  for (const node of graph.nodes) {
    const item = rewriting.shared(w.open(node));
    if (node.domain === "" && rewriting.rewrite(item)) changes++;
    else w.add(item.node);
  }
  if (changes === 0) return graph;
  w.removeDeadCode();
  w.keepOutputNames();
  return w.finish();
}

function isWrittenBy(value: Value, operator: string): value is Value & { readonly writer: Item } {
  return value.writer?.node.operator === operator && value.writer.node.domain === "";
}

/** The operands of an item, in both orders. */
function ordersOf({ inputs }: Item): readonly (readonly [Value, Value])[] {
  const [a, b] = inputs as readonly [Value, Value];
  return [
    [a, b],
    [b, a],
  ];
}

/** One rewriting, node by node. */
class Mirroring {
  /** Constants of one element, by what they are: two computations are the same where their constants are. */
  private readonly numbers = new Map<string, Value>();

  constructor(private readonly w: Workspace) {}

  /** Adds another form of an item; false where it has none. */
  rewrite(item: Item): boolean {
    return this.rest(item) || this.choice(item) || this.mixture(item) || this.mirrored(item);
  }

  /** A node beside another one, and its output. */
  private beside({ node }: Item, operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}): string {
    const output = this.w.fresh(`${node.name}/${operator}`);
    this.w.add({ ...node, name: output, operator, inputs, outputs: [output], attributes });
    return this.w.resolve(output);
  }

  /** The type of a value that may not have been added yet. */
  private typeOf(value: Value): TensorType {
    return value.type.shape ? value.type : (this.w.source.types.get(value.name) ?? value.type);
  }

  private hasShapeOf(value: Value, other: Value): boolean {
    return String(this.typeOf(value).shape) === String(this.typeOf(other).shape);
  }

  private one({ outputs }: Item): Value {
    const { type } = this.typeOf(outputs[0]!);
    const key = `${type} 1 `;
    const known = this.numbers.get(key) ?? this.w.value(this.w.addConstant(scalar(1, type)));
    this.numbers.set(key, known);
    return known;
  }

  /** An item with one constant for all that are the same number. */
  shared(item: Item): Item {
    const names = item.inputs.map((v) => {
      if (v.constant?.data.length !== 1 || Object.is(v.constant.data[0], -0)) return v.name;
      const key = `${v.constant.type} ${v.constant.data[0]!} ${v.constant.shape.join()}`;
      const known = this.numbers.get(key) ?? v;
      this.numbers.set(key, known);
      return known.name;
    });
    return names.every((n, k) => n === item.inputs[k]!.name) ? item : this.w.reopen(item, { ...item.node, inputs: names });
  }

  /** t where a value is 1 - t. */
  private restOf(value: Value): Value | undefined {
    if (!isWrittenBy(value, "Sub")) return undefined;
    const [a, b] = value.writer.inputs as readonly [Value, Value];
    return isOne(a) ? b : undefined;
  }

  /** 1 - (1 - t) as t, and 1 - t with a one without axes, so that all of them are the same. */
  private rest(item: Item): boolean {
    const { node, inputs, outputs } = item;
    const [a, b] = inputs as readonly [Value, Value];
    if (node.operator !== "Sub" || !isOne(a) || !this.hasShapeOf(b, outputs[0]!)) return false;
    const twice = this.restOf(b);
    const one = this.one(item);
    if (twice && this.hasShapeOf(twice, b)) this.w.replace(node.outputs[0]!, twice.name);
    else if (a === one) return false;
    else this.w.add({ ...node, inputs: [one.name, b.name] });
    return true;
  }

  /** A choice between two values that are the same. */
  private choice({ node, inputs, outputs }: Item): boolean {
    const [, a, b] = inputs;
    if (node.operator !== "Where" || a !== b || !this.hasShapeOf(a!, outputs[0]!)) return false;
    this.w.replace(node.outputs[0]!, a!.name);
    return true;
  }

  /** c + t (a - c), or c - t (c - a), as t a + (1 - t) c; 1 - t second, whichever of the two is the difference. */
  private mixture(item: Item): boolean {
    const { node } = item;
    if (node.operator !== "Add" && node.operator !== "Sub") return false;
    const isSub = node.operator === "Sub";
    for (const [base, product] of isSub ? ordersOf(item).slice(0, 1) : ordersOf(item)) {
      if (!isWrittenBy(product, "Mul")) continue;
      for (const [share, difference] of ordersOf(product.writer)) {
        if (!isWrittenBy(difference, "Sub") || difference.writer.inputs[isSub ? 0 : 1] !== base) continue;
        this.weighted(item, share, difference.writer.inputs[isSub ? 1 : 0]!, base);
        return true;
      }
    }
    return false;
  }

  /** t a + (1 - t) c. */
  private weighted(item: Item, share: Value, a: Value, c: Value): void {
    const rest = this.restOf(share);
    const [t, first, second] = rest ? [rest, c, a] : [share, a, c];
    const other = rest ? share.name : this.beside(item, "Sub", [this.one(item).name, t.name]);
    const inputs = [this.beside(item, "Mul", [t.name, first.name]), this.beside(item, "Mul", [other, second.name])];
    this.w.add({ ...item.node, operator: "Add", inputs, attributes: {} });
  }

  /** A function of a negative as the negative of the function, or what else it is. */
  private mirrored(item: Item): boolean {
    const { node, inputs } = item;
    const { operator } = node;
    const plain = inputs.map((v) => (isWrittenBy(v, "Neg") ? v.writer.inputs[0]! : v));
    const signs = inputs.filter((v, k) => v !== plain[k]).length;
    if (signs === 0) return false;
    const names = plain.map((v) => v.name);
    const isProduct = operator === "Mul" || operator === "Div";
    if (isProduct ? signs === 2 : EVEN.has(operator)) this.w.add({ ...node, inputs: names });
    else if (isProduct || ODD.has(operator)) {
      const inner = this.beside(item, operator, names, node.attributes);
      this.w.add({ ...node, operator: "Neg", inputs: [inner], attributes: {} });
    } else if (operator === "Sigmoid") {
      const inner = this.beside(item, operator, names);
      this.w.add({ ...node, operator: "Sub", inputs: [this.one(item).name, inner], attributes: {} });
    } else return false;
    return true;
  }
}

function isOne(value: Value): boolean {
  return value.constant?.data.length === 1 && value.constant.data[0] === 1;
}
