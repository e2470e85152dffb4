/**
 * @file Flips of sigmoid units: sigma(-z) = 1 - sigma(z). The incoming weights and the bias of a unit change sign, so do its
 * columns in the readers, and what those gain the readers' biases absorb. An affine action, which no linear map of channels is
 * (ALGORITHM.md section 7).
 */
import { consumers, type Graph, type Node, numberAttribute, numbersAttribute, producers, stringAttribute } from "../graph/graph";
import { mirrorOf, vanishingSet } from "./actions/involution";
import type { Element, Mirror, ParameterValues, Symmetry } from "./symmetry";

/** A parameter, and which of its axes the units are. */
interface UnitAxis {
  readonly parameter: string;
  readonly axis: number;
}

/** A layer that reads sigmoid units: weights by unit and output, and the bias that absorbs. */
interface Reader extends UnitAxis {
  /** Axis of the weight that the outputs are. */
  readonly outputs: number;
  readonly bias: string;
}

/** Sigmoid units that may be flipped one by one. */
export interface SigmoidUnits {
  readonly count: number;
  /** Weight and bias (if any) whose entries change sign. */
  readonly writers: readonly UnitAxis[];
  readonly readers: readonly Reader[];
}

/** All layers of sigmoid units between a writer of their own and readers with biases of their own. */
export function findSigmoidUnits(graph: Graph): SigmoidUnits[] {
  const sigmoids = graph.nodes.filter(isSigmoid);
  if (sigmoids.length === 0) return [];
  const finder = new Finder(graph);
  return sigmoids.flatMap((node) => finder.units(node) ?? []);
}

/** f(-z) = 1 - f(z). */
function isSigmoid(node: Node): boolean {
  if (node.domain !== "") return false;
  return node.operator === "Sigmoid" || (node.operator === "HardSigmoid" && numberAttribute(node, "beta", 0.5) === 0.5);
}

class Finder {
  private readonly writer: ReadonlyMap<string, Node>;
  private readonly readers: ReadonlyMap<string, readonly Node[]>;

  constructor(private readonly graph: Graph) {
    this.writer = producers(graph);
    this.readers = consumers(graph);
  }

  units(sigmoid: Node): SigmoidUnits | undefined {
    const z = sigmoid.inputs[0]!;
    const s = sigmoid.outputs[0]!;
    if (!this.isReadOnce(z) || this.graph.outputs.includes(s)) return undefined;
    const shape = this.graph.types.get(z)?.shape;
    const sum = this.writer.get(z);
    if (!shape || !sum) return undefined;
    const biased = sum.operator === "Add" && sum.domain === "" ? this.biasedSum(sum) : undefined;
    const written = this.layer(biased ? biased.value : z, "output");
    if (!written || (biased && !this.isReadOnce(biased.value))) return undefined;
    const count = this.graph.parameters.get(written.parameter)!.shape[written.axis]!;
    if (shape[written.at] !== count) return undefined;
    if (biased && !this.fitsUnits(biased.operand, shape.length, written.at, count)) return undefined;
    const readers = (this.readers.get(s) ?? []).map((node) => this.reader(node, s, written.at));
    if (readers.length === 0 || readers.some((r) => r === undefined)) return undefined;
    const writers = [
      { parameter: written.parameter, axis: written.axis },
      ...(biased ? [{ parameter: biased.bias, axis: 0 }] : []),
    ];
    return { count, writers, readers: readers as Reader[] };
  }

  /** A layer that contracts the units, with a bias right after it. */
  private reader(node: Node, units: string, at: number): Reader | undefined {
    const out = node.outputs[0]!;
    const sums = this.readers.get(out) ?? [];
    const sum = sums[0];
    if (sums.length !== 1 || sum?.operator !== "Add" || this.graph.outputs.includes(out) || node.inputs[0] !== units)
      return undefined;
    const biased = this.biasedSum(sum);
    const weight = this.layer(out, "input");
    if (biased?.value !== out || !weight || weight.at !== at) return undefined;
    const shape = this.graph.types.get(out)?.shape;
    const outputs = weight.axis === weight.rows ? weight.columns : weight.rows;
    const count = this.graph.parameters.get(weight.parameter)!.shape[outputs]!;
    const place = node.operator === "Conv" ? 1 : (shape?.length ?? 0) - 1;
    if (!shape || !this.fitsUnits(biased.operand, shape.length, place, count)) return undefined;
    return { parameter: weight.parameter, axis: weight.axis, outputs, bias: biased.bias };
  }

  /**
   * The weight of a contraction with parameters: its axis of outputs or of inputs, and where along the value (or its input)
   * that axis lies.
   */
  private layer(value: string, side: "output" | "input"): (UnitAxis & { at: number; rows: number; columns: number }) | undefined {
    const node = this.writer.get(value);
    if (!node || node.domain !== "") return undefined;
    const shape = this.graph.types.get(side === "output" ? value : node.inputs[0]!)?.shape;
    const weight = this.ownParameter(node.inputs[1]!);
    if (!shape || !weight) return undefined;
    if (node.operator === "MatMul" && weight.rank === 2 && shape.length > 1) {
      // [.., in] times [in, out]; a transposed parameter is [out, in].
      const [rows, columns] = weight.transposed ? [1, 0] : [0, 1];
      return { parameter: weight.name, axis: side === "output" ? columns : rows, at: shape.length - 1, rows, columns };
    }
    if (node.operator !== "Conv" || weight.transposed || numberAttribute(node, "group", 1) !== 1) return undefined;
    // A border of zeros is not the border of ones that a flip would want.
    const isPadded =
      numbersAttribute(node, "pads")?.some((p) => p !== 0) || stringAttribute(node, "auto_pad", "NOTSET").startsWith("SAME");
    if (side === "input" && isPadded) return undefined;
    return { parameter: weight.name, axis: side === "output" ? 0 : 1, at: 1, rows: 1, columns: 0 };
  }

  /** A trained parameter that nothing else reads, itself or transposed. */
  private ownParameter(
    value: string,
  ): { readonly name: string; readonly rank: number; readonly transposed: boolean } | undefined {
    const node = this.writer.get(value);
    const isTransposed = node?.operator === "Transpose" && node.domain === "" && this.isReadOnce(value);
    const name = isTransposed ? node.inputs[0]! : value;
    const p = this.graph.parameters.get(name);
    if (!p?.trainable || !this.isReadOnce(name)) return undefined;
    if (isTransposed && p.shape.length !== 2) return undefined;
    return { name, rank: p.shape.length, transposed: isTransposed };
  }

  /** The two operands of a sum with a bias that nothing else reads. */
  private biasedSum(sum: Node): { readonly value: string; readonly operand: string; readonly bias: string } | undefined {
    for (const [operand, value] of [
      [sum.inputs[0]!, sum.inputs[1]!],
      [sum.inputs[1]!, sum.inputs[0]!],
    ] as const) {
      const node = this.writer.get(operand);
      const bias = node?.operator === "Reshape" && this.isReadOnce(operand) ? node.inputs[0]! : operand;
      const p = this.graph.parameters.get(bias);
      if (p?.trainable && p.shape.length === 1 && this.isReadOnce(bias) && this.writer.has(value))
        return { value, operand, bias };
    }
    return undefined;
  }

  /** Whether an operand broadcasts along one axis of a result of the given rank only, which has `count` entries. */
  private fitsUnits(operand: string, rank: number, at: number, count: number): boolean {
    const shape = this.graph.types.get(operand)?.shape ?? this.graph.parameters.get(operand)?.shape;
    return shape?.every((n, k) => n === (k + rank - shape.length === at ? count : 1)) === true && shape.length >= rank - at;
  }

  private isReadOnce(value: string): boolean {
    const nodes = this.readers.get(value);
    return nodes?.length === 1 && nodes[0]!.inputs.filter((i) => i === value).length === 1 && !this.graph.outputs.includes(value);
  }
}

/** One Symmetry per layer of sigmoid units; a random element flips a random half of them. */
export function flipSymmetries(
  units: readonly SigmoidUnits[],
  shape: (parameter: string) => readonly number[],
  spacesAt: (parameter: string, axis: number) => readonly number[],
): Symmetry[] {
  return units.map((layer, index): Symmetry => {
    const first = layer.writers[0]!;
    const act = (weights: ParameterValues, element: Element): ParameterValues =>
      flip(
        layer,
        weights,
        shape,
        Array.from(element, (x) => x !== 0),
      );
    return {
      id: `flip:${index}`,
      kind: "sign",
      origin: "rule",
      group: layer.count > 1 ? `Z2^${layer.count}` : "Z2",
      dimension: 0,
      parameters: [
        ...new Set([...layer.writers.map((w) => w.parameter), ...layer.readers.flatMap((r) => [r.parameter, r.bias])]),
      ],
      spaces: spacesAt(first.parameter, first.axis),
      randomElement: (random) => Float64Array.from({ length: layer.count }, () => (random() < 0.5 ? 1 : 0)),
      act,
      generators: () => [],
      *mirrors(): Iterable<Mirror> {
        for (let u = 0; u < layer.count; u++)
          yield mirrorOf(
            act,
            Float64Array.from({ length: layer.count }, (_, k) => (k === u ? 1 : 0)),
            false,
          );
      },
      fixedSet: () =>
        vanishingSet(
          new Map(
            [...layer.writers, ...layer.readers].map(({ parameter }) => [
              parameter,
              Array.from({ length: shape(parameter).reduce((n, d) => n * d, 1) }, (_, i) => i),
            ]),
          ),
        ),
    };
  });
}

/** The weights with the chosen units flipped; parameters without weights stay away. */
export function flip(
  layer: SigmoidUnits,
  weights: ParameterValues,
  shape: (parameter: string) => readonly number[],
  isFlipped: readonly boolean[],
): ParameterValues {
  const out = new Map<string, Float64Array>();
  const entry = (parameter: string, axis: number): ((flat: number) => number) => {
    const own = shape(parameter);
    const inner = own.slice(axis + 1).reduce((n, d) => n * d, 1);
    return (flat) => Math.floor(flat / inner) % own[axis]!;
  };
  const negate = ({ parameter, axis }: UnitAxis): Float64Array | undefined => {
    const values = weights.get(parameter);
    if (!values) return undefined;
    const unit = entry(parameter, axis);
    out.set(
      parameter,
      values.map((v, i) => (isFlipped[unit(i)]! ? -v : v)),
    );
    return values;
  };
  for (const writer of layer.writers) negate(writer);
  for (const reader of layer.readers) {
    const values = negate(reader);
    const bias = weights.get(reader.bias);
    if (!values || !bias) continue;
    const moved = bias.slice();
    const unit = entry(reader.parameter, reader.axis);
    const output = entry(reader.parameter, reader.outputs);
    values.forEach((v, i) => {
      if (isFlipped[unit(i)]!) moved[output(i)]! += v;
    });
    out.set(reader.bias, moved);
  }
  return out;
}
