/**
 * @file What is known of an operator's outputs before it becomes a node: their types, from the operator table's own shape
 * rules, and their values where all inputs are known.
 */
import type { Attribute, Node } from "../../../graph/graph";
import { type ElementType, elementCount, isFloating, type Shape, type TensorType } from "../../../graph/tensor";
import type { OperatorTable } from "../../../operators/operator";
import { PythonError, ShapeDemand } from "../evaluator/errors";
import { constantOf, LARGEST_CONSTANT, type LazyConstant, materialise } from "../values/constant";
import type { TensorValue } from "../values/value";
import { sizeConflicts } from "./conflicts";
import { foldLazily } from "./folding";

/** The operator set whose semantics the nodes follow. */
export const OPSET = 18;

/** Attributes of a node by name. */
export type Attributes = Readonly<Record<string, Attribute>>;

/** One application of an operator; an absent optional input is undefined. */
export interface OperatorCall {
  readonly operator: string;
  readonly domain: string;
  readonly inputs: readonly (TensorValue | undefined)[];
  readonly attributes: Attributes;
}

const ABSENT: TensorType = { type: "other", shape: undefined };

/** Entries of a constant up to which a shape rule may ask for it. */
const LARGEST_OPERAND = 65536;

/** A tensor without a place in the graph yet. */
export function makeTensor(value: string, type: ElementType, shape: Shape | undefined, constant?: LazyConstant): TensorValue {
  return { k: "tensor", value, type, shape, version: 0, ...(constant ? { constant } : {}) };
}

/**
 * The types of the first `count` outputs; of an operator that is not in the table, without shapes. Throws PythonError
 * (RuntimeError) with the sizes that disagree where the inputs do not fit.
 */
export function inferredTypes(table: OperatorTable, call: OperatorCall, count: number): readonly TensorType[] {
  const { operator, domain, inputs, attributes } = call;
  const entry = table(operator, domain);
  if (!entry) {
    const type = inputs.find((t) => t && isFloating(t.type))?.type ?? inputs[0]?.type ?? "float32";
    return Array.from({ length: count }, () => ({ type, shape: undefined }));
  }
  try {
    return entry.infer(nodeOf(call, count), {
      inputs: inputs.map((t) => (t ? { type: t.type, shape: t.shape } : ABSENT)),
      opset: OPSET,
      constant: (i) => {
        const t = inputs[i];
        return t?.constant && elementCount(t.constant.shape) <= LARGEST_OPERAND ? materialise(t.constant, t.type) : undefined;
      },
    });
  } catch (error) {
    if (error instanceof PythonError || error instanceof ShapeDemand) throw error;
    const message = error instanceof Error ? error.message : String(error);
    const shapes = inputs.map((t) => t?.shape);
    throw new PythonError("RuntimeError", message, undefined, sizeConflicts(operator, shapes, attributes["axis"], message));
  }
}

/** The outputs where all inputs are known and not too large; `spend` is told how many entries that takes. */
export function foldedValues(
  table: OperatorTable,
  call: OperatorCall,
  types: readonly TensorType[],
  spend: (entries: number) => void,
): TensorValue[] | undefined {
  const { operator, domain, inputs, attributes } = call;
  if (domain !== "" || inputs.length === 0 || inputs.some((t) => t && !t.constant)) return undefined;
  const [type] = types;
  if (types.length === 1 && type) {
    const isInteger = inputs.every((t) => !t || !isFloating(t.type));
    const constants = inputs.map((t) => t?.constant);
    const lazily = foldLazily(operator, constants, attributes, type.shape, isInteger);
    if (lazily) return [makeTensor("", type.type, lazily.shape, lazily)];
  }
  const entry = table(operator, domain);
  if (!entry?.evaluate) return undefined;
  const size = inputs.reduce((n, t) => n + (t?.shape ? elementCount(t.shape) : 0), 0);
  const out = types.reduce((n, t) => n + (t.shape ? elementCount(t.shape) : 0), 0);
  if (size > LARGEST_CONSTANT || out > LARGEST_CONSTANT) return undefined;
  spend(size + out);
  try {
    const values = inputs.map((t) => (t?.constant ? materialise(t.constant, t.type) : undefined));
    return entry.evaluate(nodeOf(call, types.length), values, OPSET).map((t) => makeTensor("", t.type, t.shape, constantOf(t)));
  } catch {
    // A value that cannot be computed is emitted instead.
    return undefined;
  }
}

/** A node of its own for the table's rules, which look at the operator, its attributes and which inputs are there. */
function nodeOf({ operator, domain, inputs, attributes }: OperatorCall, outputs: number): Node {
  return {
    name: operator,
    operator,
    domain,
    inputs: inputs.map((t, i) => (t ? `i${i}` : "")),
    outputs: Array.from({ length: outputs }, (_, i) => `o${i}`),
    attributes,
    origin: {},
  };
}
