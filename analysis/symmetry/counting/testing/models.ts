/** @file Models for the tests of the numeric engines: the zoo's exports, and small graphs written by hand. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { readOnnx } from "../../../frontends/onnx";
import type { Graph, Node, Parameter } from "../../../graph/graph";
import { type Tensor, tensor } from "../../../graph/tensor";
import { normalForm } from "../../../lowering/normal-form";
import type { Family } from "../../symmetry";

const ZOO = path.join(__dirname, "..", "..", "..", "..", "testFixtures", "zoo");

/** What is known of a zoo model's continuous symmetries. */
export interface ZooTruth {
  readonly onnx: string;
  readonly parameters: number;
  readonly continuous: Partial<Record<Family, number>> & { readonly total: number };
  readonly continuousUnderSoftmaxLoss: number;
  readonly frozen?: readonly string[];
}

/** The zoo's truth by model name. */
export const zooTruth = JSON.parse(readFileSync(path.join(ZOO, "truth.json"), "utf8")) as Readonly<Record<string, ZooTruth>>;

/** A zoo model in normal form. */
export function zooModel(name: string, loss?: "softmax"): Graph {
  const truth = zooTruth[name];
  if (!truth) throw new Error(`the zoo has no model ${name}`);
  const { graph } = readOnnx({ path: path.join(ZOO, truth.onnx) }, truth.frozen ? { frozen: truth.frozen } : {});
  return normalForm(graph, loss ? { loss } : {}).graph;
}

const ARCHITECTURES = path.join(ZOO, "..", "architectures", "onnx");

/** A model of testFixtures/architectures in normal form. */
export function architecture(name: string, loss?: "softmax"): Graph {
  const { graph } = readOnnx({ path: path.join(ARCHITECTURES, `${name}.onnx`) });
  return normalForm(graph, loss ? { loss } : {}).graph;
}

/** One line of a hand-written graph: output, operator, inputs, attributes. */
export type Line = readonly [output: string, operator: string, inputs: readonly string[], attributes?: Node["attributes"]];

/** What a hand-written graph consists of besides its nodes. */
export interface Sketch {
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  /** Inputs that hold indices. */
  readonly integers?: readonly string[];
  readonly parameters: Readonly<Record<string, readonly number[]>>;
  readonly constants?: Readonly<Record<string, number | Tensor>>;
  readonly frozen?: readonly string[];
  readonly lines: readonly Line[];
  readonly outputs: readonly string[];
}

/** A hand-written graph in normal form. */
export function sketch({ inputs, integers = [], parameters, constants = {}, frozen = [], lines, outputs }: Sketch): Graph {
  const graph: Graph = {
    name: "sketch",
    opset: 17,
    inputs: Object.entries(inputs).map(([name, shape]) => ({ name, type: integers.includes(name) ? "int64" : "float32", shape })),
    outputs,
    nodes: lines.map(([output, operator, ins, attributes]) => ({
      name: `${operator}_${output}`,
      operator,
      domain: "",
      inputs: ins,
      outputs: [output],
      attributes: attributes ?? {},
      origin: {},
    })),
    parameters: new Map(
      Object.entries(parameters).map(([name, shape]): [string, Parameter] => [
        name,
        { name, type: "float32", shape, trainable: !frozen.includes(name), origin: {} },
      ]),
    ),
    constants: new Map(
      Object.entries(constants).map(([name, v]) => [name, typeof v === "number" ? tensor([], [v], "float32") : v]),
    ),
    types: new Map(),
  };
  return normalForm(graph).graph;
}
