/**
 * @file Which shifts of parameters a model does not see, beyond whole parameters: the search for inert parameters
 * (symmetry/inert) is asked about a parameter that stands for the shift alone.
 */
import type { Graph, Node, Parameter } from "../graph/graph";
import { int64Vector } from "../graph/tensor";
import { normalForm } from "../lowering/normal-form";
import { findInertParameters, type InertParameter } from "../symmetry/inert/inert";

/** A shift: what is added to which parameters, as multiples of one new tensor. */
export interface ShiftQuestion {
  readonly key: string;
  /** Shape of the new tensor. */
  readonly shape: readonly number[];
  /** The parameters that move: `sign` times the tensor, repeated inside each entry of the tensor `repeat` times. */
  readonly moves: readonly { readonly parameter: string; readonly sign: 1 | -1; readonly repeat?: number }[];
}

const PREFIX = "shift~";

type Unseen = ReadonlyMap<string, readonly InertParameter[]>;

/** Answers by the questions that they answer. */
const answers = new WeakMap<Graph, Map<string, Unseen>>();

/**
 * For each question that the model does not see, how the shift is forgotten. Parts of a shift may be inert by themselves.
 * Dropout counts as something that sees every shift.
 */
export function unseenShifts(graph: Graph, questions: readonly ShiftQuestion[]): Unseen {
  if (questions.length === 0) return new Map();
  let known = answers.get(graph);
  if (!known) answers.set(graph, (known = new Map()));
  const asked = JSON.stringify(questions);
  let answer = known.get(asked);
  if (!answer) known.set(asked, (answer = answered(graph, questions)));
  return answer;
}

function answered(graph: Graph, questions: readonly ShiftQuestion[]): Unseen {
  const out = new Map<string, readonly InertParameter[]>();
  const parameters = new Map([...graph.parameters].map(([n, p]): [string, Parameter] => [n, { ...p, trainable: false }]));
  const constants = new Map(graph.constants);
  const types = new Map(graph.types);
  const added: Node[] = [];
  const now = new Map<string, string>();
  const node = (operator: string, inputs: readonly string[], output: string): string => {
    added.push({ name: output, operator, domain: "", inputs, outputs: [output], attributes: {}, origin: {} });
    return output;
  };
  for (const q of questions) {
    const name = PREFIX + q.key;
    parameters.set(name, { name, type: "float32", shape: q.shape, trainable: true, origin: {} });
    types.set(name, { type: "float32", shape: q.shape });
    for (const { parameter, sign, repeat } of q.moves) {
      const size = graph.parameters.get(parameter)!.shape;
      let tensor = name;
      if (repeat !== undefined && repeat > 1) {
        const [n = 1] = q.shape;
        const id = `${name}/${parameter}`;
        constants.set(`${id}/column`, int64Vector([n, 1]));
        constants.set(`${id}/repeated`, int64Vector([n, repeat]));
        constants.set(`${id}/shape`, int64Vector(size));
        tensor = node("Reshape", [tensor, `${id}/column`], `${id}/a`);
        tensor = node("Expand", [tensor, `${id}/repeated`], `${id}/b`);
        tensor = node("Reshape", [tensor, `${id}/shape`], `${id}/c`);
      }
      const before = now.get(parameter) ?? parameter;
      now.set(parameter, node(sign > 0 ? "Add" : "Sub", [before, tensor], `${before}/${PREFIX}`));
    }
  }
  const isNoise = (n: Node): boolean => n.operator === "Dropout" && n.domain === "";
  const nodes = graph.nodes.map((n): Node => {
    const inputs = n.inputs.some((i) => now.has(i)) ? n.inputs.map((i) => now.get(i) ?? i) : n.inputs;
    return isNoise(n) ? { ...n, inputs, domain: "noise" } : { ...n, inputs };
  });
  const normal = normalForm({ ...graph, parameters, constants, types, nodes: [...added, ...nodes] }).graph;
  for (const found of findInertParameters(normal)) {
    const key = found.parameter.name.slice(PREFIX.length);
    out.set(key, [...(out.get(key) ?? []), found]);
  }
  return out;
}
