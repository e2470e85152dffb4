/** @file What a piece of a graph computes, as a text: equal texts for equal pieces with parameters of their own. */
import type { Attribute, Graph, Node } from "../../graph/graph";
import { isFloating, type Tensor } from "../../graph/tensor";

/** What a piece of a graph computes. */
export interface Signature {
  /** Equal for pieces that compute the same with other parameters; undefined where one hangs on more than its entry. */
  readonly signature: string | undefined;
  /** The same without the widths of what it reads and writes. */
  readonly kind: string | undefined;
  /** The same without the number of places, too: equal for what works at several resolutions. */
  readonly stage: string | undefined;
  /** Its parameters, in the order in which the signature meets them. */
  readonly parameters: readonly string[];
}

/** Constant operands that are shapes: they follow from widths. */
const SHAPES: ReadonlySet<string> = new Set(["Reshape", "Expand"]);
/** Constant operands that are bounds of what is cut out: they follow from the number of places. */
const isBound = (node: Node, operand: number): boolean => node.operator === "Slice" && (operand === 1 || operand === 2);

/**
 * The signature of the nodes at the given positions.
 * @param isShared whether nodes elsewhere read a parameter, which then would not be gone with this piece
 * @param given what every piece may read: the inputs of the graph, and tables that do not train
 */
export function signatureOf(
  graph: Graph,
  entry: string,
  exit: string,
  nodes: readonly number[],
  isShared: (parameter: string) => boolean,
  given: ReadonlySet<string>,
): Signature {
  const parameters: string[] = [];
  const local = new Map<string, string>([[entry, "entry"]]);
  const shapeOf = (value: string): string => graph.types.get(value)?.shape?.join("x") ?? "?";
  const parts: string[] = [];
  const kinds: string[] = [];
  const stages: string[] = [];
  let isWhole = true;
  const name = (value: string): string => {
    const known = local.get(value);
    if (known !== undefined) return known;
    if (value === "") return "";
    let made: string;
    const p = graph.parameters.get(value);
    const c = graph.constants.get(value);
    if (given.has(value)) made = `g:${value}`;
    else if (p) {
      if (isShared(value)) isWhole = false;
      parameters.push(value);
      made = `p${parameters.length}:${p.shape.length}:${p.trainable}`;
    } else if (c) made = `c:${tensorText(c)}`;
    else {
      isWhole = false;
      made = value;
    }
    local.set(value, made);
    return made;
  };
  for (const k of nodes) {
    const n = graph.nodes[k]!;
    const inputs = n.inputs.map(name);
    const shapes = n.inputs.map((i) => graph.parameters.get(i)?.shape.join("x") ?? "");
    const [operator, attributes] = [`${n.domain}.${n.operator}(`, `)${attributesText(n.attributes)}`];
    const text = (list: readonly string[]) => operator + list.join(",") + attributes;
    parts.push(`${text(inputs)}[${shapes.join(",")}]`);
    const kind = inputs.map((i, k) => (k === 1 && SHAPES.has(n.operator) && i.startsWith("c:") ? "" : i));
    kinds.push(text(kind));
    stages.push(
      text(
        kind.map((i, k) => {
          const constant = i.startsWith("c:") ? graph.constants.get(n.inputs[k]!) : undefined;
          if (!constant) return i;
          return isBound(n, k) ? "" : isFloating(constant.type) ? tableText(constant) : i;
        }),
      ),
    );
    n.outputs.forEach((o, i) => {
      if (o !== "") local.set(o, `n${parts.length}.${i}`);
    });
  }
  if (!isWhole) return { signature: undefined, kind: undefined, stage: undefined, parameters };
  const result = local.get(exit);
  return {
    signature: `${shapeOf(entry)}>${parts.join(";")}>${shapeOf(exit)}=${result}`,
    kind: `${kinds.join(";")}=${result}`,
    stage: `${stages.join(";")}=${result}`,
    parameters,
  };
}

/** Texts of attributes and tensors: twins of one model are made by looking at the same nodes again and again. */
const texts = new WeakMap<object, string>();

function textOf<T extends object>(of: T, make: (of: T) => string): string {
  const known = texts.get(of);
  if (known !== undefined) return known;
  const made = make(of);
  texts.set(of, made);
  return made;
}

function attributesText(attributes: Node["attributes"]): string {
  return textOf(attributes, (all) =>
    Object.entries(all)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}=${attributeText(value)}`)
      .join(","),
  );
}

function attributeText(value: Attribute): string {
  if (typeof value !== "object" || Array.isArray(value)) return JSON.stringify(value);
  if ("data" in value) return tensorText(value);
  // Nested graphs are compared by identity only.
  return "nodes" in value ? value.name : JSON.stringify(value);
}

function tensorText(tensor: Tensor): string {
  return textOf(tensor, ({ type, shape, data }) => `${type}:${shape.join("x")}:${Array.from(data).join()}`);
}

/** Distinct values of a table of floats from which on it is told by their number alone. */
const MOST_VALUES = 4;

/** What a table of floats says at any number of places: a mask has few values, however large it is. */
function tableText({ type, shape, data }: Tensor): string {
  const values = new Set(data);
  return `t:${type}:${shape.length}:${values.size > MOST_VALUES ? "many" : [...values].sort((a, b) => a - b).join()}`;
}
