/** @file The Graph that an evaluation leaves: the part that its outputs depend on, under PyTorch's names. */
import type { Graph, GraphInput, Node, Parameter } from "../../../graph/graph";
import type { ElementType, Shape, Tensor, TensorType } from "../../../graph/tensor";
import { withAllRows } from "../../../operators/dispatch/dispatch";
import { type LazyConstant, materialise } from "../values/constant";
import type { ParameterCell } from "../values/value";

/** A parameter or buffer that an evaluation has made. */
export interface CellEntry {
  readonly cell: ParameterCell;
  shape: Shape;
  readonly type: ElementType;
  constant: LazyConstant | undefined;
}

/** What an evaluation has emitted, by the names of its values. */
export interface Emitted {
  readonly nodes: readonly Node[];
  readonly types: ReadonlyMap<string, TensorType>;
  readonly constants: ReadonlyMap<string, Tensor>;
  readonly inputs: readonly GraphInput[];
  readonly cells: ReadonlyMap<string, CellEntry>;
}

/** What the finished graph is to be called and to compute. */
export interface Finish {
  readonly name: string;
  readonly opset: number;
  readonly outputs: readonly string[];
  /** The PyTorch name of a parameter; undefined for those that no module has registered. */
  readonly nameOfCell: (cell: ParameterCell) => string | undefined;
  readonly symbols: ReadonlyMap<number, string>;
}

/** The nodes of some that the wanted values depend on, in order, and the names of all values on the way. */
function demanded(nodes: readonly Node[], wanted: readonly string[]): { kept: readonly Node[]; needed: ReadonlySet<string> } {
  const needed = new Set(wanted);
  const kept: Node[] = [];
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!;
    if (!node.outputs.some((o) => needed.has(o))) continue;
    kept.push(node);
    for (const input of node.inputs) needed.add(input);
  }
  return { kept: kept.reverse(), needed };
}

/** The finished graph: what the outputs do not depend on is left out, and parameters get their names. */
export function finishedGraph(emitted: Emitted, finish: Finish): Graph {
  const { kept, needed } = demanded(emitted.nodes, finish.outputs);
  const renamed = new Map<string, string>();
  const parameters = new Map<string, Parameter>();
  const constants = new Map<string, Tensor>();
  const taken = new Set(emitted.inputs.map((i) => i.name));
  for (const [value, entry] of emitted.cells) {
    if (!needed.has(value)) continue;
    const registered = finish.nameOfCell(entry.cell);
    const plain = registered ?? `unregistered.${entry.cell.id}`;
    let unique = plain;
    for (let i = 1; taken.has(unique); i++) unique = `${plain}.${i}`;
    taken.add(unique);
    renamed.set(value, unique);
    const known = entry.cell.buffer && entry.constant ? materialise(entry.constant, entry.type) : undefined;
    if (known) constants.set(unique, known);
    else {
      parameters.set(unique, {
        name: unique,
        type: entry.type,
        shape: entry.shape,
        // What model.parameters() does not list, no optimiser moves.
        trainable: entry.cell.trainable && !entry.cell.buffer && registered !== undefined,
        ...(entry.cell.buffer && entry.cell.statistic ? { buffer: true } : {}),
        ...(entry.cell.initialisation ? { initialisation: entry.cell.initialisation } : {}),
        origin: entry.cell.origin,
      });
    }
  }
  for (const [value, t] of emitted.constants) if (needed.has(value)) constants.set(value, t);
  const rename = (n: string): string => renamed.get(n) ?? n;
  const types = new Map<string, TensorType>();
  for (const n of needed) {
    const type = emitted.types.get(n);
    if (type) types.set(rename(n), type);
  }
  return withoutPicks(
    withAllRows({
      name: finish.name,
      opset: finish.opset,
      inputs: emitted.inputs.filter((i) => needed.has(i.name)),
      outputs: finish.outputs.map(rename),
      nodes: kept.map((node) => (node.inputs.some((i) => renamed.has(i)) ? { ...node, inputs: node.inputs.map(rename) } : node)),
      parameters,
      constants,
      types,
      ...(finish.symbols.size > 0 ? { symbols: finish.symbols } : {}),
    }),
  );
}

/** What a mask picks is opaque where its rows cannot be followed: its shape is not the one that stands for it. */
function withoutPicks(graph: Graph): Graph {
  const isPick = (n: Node) => n.operator === "NonZero" && n.domain === "" && !graph.constants.has(n.inputs[0]!);
  if (!graph.nodes.some(isPick)) return graph;
  return { ...graph, nodes: graph.nodes.map((n) => (isPick(n) ? { ...n, operator: "nonzero", domain: "python" } : n)) };
}
