/**
 * @file Sizes for the inputs: Graph shapes are concrete, so each size that a file leaves open gets a witness. Weights say
 * what channel sizes must be; the rest is tried until shape inference finds no contradiction.
 */
import type { GraphInput } from "../../graph/graph";
import { isFloating, type Shape, type Tensor } from "../../graph/tensor";
import type { Use, Uses } from "./classify";
import { OnnxError } from "./error";
import type { DeclaredType } from "./types";

/** What stands for open sizes, in the order of trying. */
const BATCH_SIZES = [4, 1, 2];
const SPATIAL_SIZES = [32, 64, 224, 256, 299, 128, 384, 512, 96, 160, 16, 8];
const OTHER_SIZES = [5, 8, 4, 16, 6, 7, 3, 2, 1, 9, 10, 12, 20, 32, 50, 64, 77, 100, 128, 197, 256, 512];

/** Shape inferences that the search may ask for. */
const MAX_ATTEMPTS = 80;

type Kind = "batch" | "spatial" | "other";
/** An axis of an input: a size, or a key of the assignment. */
type Slot = number | string;

/** The inputs with concrete sizes. */
export interface Witness {
  readonly inputs: readonly GraphInput[];
  /** The sizes of the symbols that the file names. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly notes: readonly string[];
}

/** Inputs of a model whose sizes may be open. */
export class WitnessSearch {
  private readonly slots: Slot[][];
  private readonly kinds = new Map<string, Kind>();
  private readonly forced = new Map<string, number>();

  /**
   * @param constants what the model knows: sizes of the example that it was traced with may have stayed in there
   * @param shapes sizes that the user asks for, by position; an undefined entry leaves an input as declared
   * @throws OnnxError when a wanted shape has another rank than the input
   */
  constructor(
    private readonly file: string,
    private readonly declared: readonly DeclaredType[],
    shapes: readonly (readonly number[])[],
    private readonly uses: Uses,
    private readonly shapeOf: (name: string) => Shape | undefined,
    private readonly constants: ReadonlyMap<string, Tensor>,
  ) {
    this.slots = declared.map((input, i) => this.slotsOf(input, shapes[i]));
  }

  /** The names of inner sizes are unique by the input's name, which no symbol contains. */
  private slotsOf(input: DeclaredType, wanted: readonly number[] | undefined): Slot[] {
    const demand = this.demand(input.name);
    if (wanted) {
      if (input.sizes && input.sizes.length !== wanted.length) {
        throw new OnnxError({
          file: this.file,
          problem: `input ${input.name} has ${input.sizes.length} axes, but the shape [${wanted.join(", ")}] was asked for`,
          expected: `${input.sizes.length} sizes`,
          advice: "Give a shape with as many axes as the model declares.",
        });
      }
      input.sizes?.forEach((size, axis) => {
        if (typeof size === "string" && !this.forced.has(size)) this.forced.set(size, wanted[axis]!);
      });
      return [...wanted];
    }
    const rank = demand.rank ?? 1;
    const sizes = input.sizes ?? (input.tensor ? new Array<undefined>(rank).fill(undefined) : []);
    return sizes.map((size, axis) => {
      if (typeof size === "number") return size;
      const key = size ?? `${input.name}\0${axis}`;
      const needed = demand.sizes.get(axis - sizes.length) ?? demand.sizes.get(axis);
      if (needed !== undefined) {
        if (size === undefined) return needed;
        this.forced.set(key, this.forced.get(key) ?? needed);
      }
      const kind: Kind = axis === 0 ? "batch" : demand.spatial && axis >= 2 ? "spatial" : "other";
      if (kind === "batch" || !this.kinds.has(key)) this.kinds.set(key, kind);
      return key;
    });
  }

  /** What the operators that read an input ask of it: sizes by axis (negative ones count from the end). */
  private demand(name: string): { sizes: Map<number, number>; rank: number | undefined; spatial: boolean } {
    const sizes = new Map<number, number>();
    let rank: number | undefined;
    let spatial = false;
    for (const use of this.uses.of(name)) {
      const other = this.shapeOf(use.node.inputs[1] ?? "");
      if (use.index !== 0 || !other) continue;
      if (use.operator === "Conv" || use.operator === "ConvTranspose") {
        spatial = true;
        rank = other.length;
        // A grouped convolution reads more channels than its weight's axis shows.
        if (use.operator === "ConvTranspose") sizes.set(1, other[0]!);
        else sizes.set(1, other[1]! * attributeNumber(use, "group", 1));
      } else if (use.operator === "MatMul" && other.length >= 2) {
        rank ??= 2;
        sizes.set(-1, other.at(-2)!);
      } else if (use.operator === "Gemm" && other.length === 2) {
        rank = 2;
        sizes.set(-1, attributeNumber(use, "transB", 0) !== 0 ? other[1]! : other[0]!);
      } else if (use.operator === "LSTM" || use.operator === "GRU" || use.operator === "RNN") {
        rank = 3;
        sizes.set(-1, other[2]!);
      }
    }
    return { sizes, rank, spatial };
  }

  /** Whether any size is open. */
  get open(): boolean {
    return this.kinds.size > 0;
  }

  /**
   * Sizes under which `problems` is least.
   * @param problems number of contradictions that shape inference finds with the given inputs
   */
  solve(problems: (inputs: readonly GraphInput[]) => number): Witness {
    const assignment = new Map<string, number>();
    for (const [key, kind] of this.kinds) assignment.set(key, this.forced.get(key) ?? candidates(kind)[0]!);
    this.relate(assignment);
    if (this.open) this.search(assignment, problems);
    const notes: string[] = [];
    const sizes = new Map<string, number>([...this.forced].filter(([key]) => !key.includes("\0")));
    for (const [key, size] of assignment) {
      const [input, axis] = key.split("\0");
      if (axis === undefined) sizes.set(key, size);
      notes.push(
        axis === undefined
          ? `size ${key} is open: ${size} stands for it`
          : `axis ${axis} of input ${input} is open: its size here is ${size}`,
      );
    }
    return { inputs: this.inputs(assignment), sizes, notes };
  }

  private inputs(assignment: ReadonlyMap<string, number>): GraphInput[] {
    return this.declared.map((input, i) => ({
      name: input.name,
      type: input.type,
      shape: this.slots[i]!.map((slot) => (typeof slot === "number" ? slot : assignment.get(slot)!)),
    }));
  }

  /** Sizes that are sums of others by their names (`past_sequence + 1`, `past + sequence`). */
  private relate(assignment: Map<string, number>): void {
    for (const key of assignment.keys()) {
      if (!key.includes("+") || this.forced.has(key)) continue;
      let sum = 0;
      for (const term of key.split("+").map((t) => t.trim()))
        sum += /^\d+$/.test(term) ? Number(term) : (assignment.get(term) ?? Number.NaN);
      if (Number.isFinite(sum)) assignment.set(key, sum);
    }
  }

  /**
   * Batch sizes that a trace may have left behind, most frequent first: PyTorch writes zeros of an initial state, or a shape to
   * expand to, with the batch of the example, even where the batch is declared open.
   */
  private tracedSizes(): readonly number[] {
    const counts = new Map<number, number>();
    const count = (size: number): void => {
      const plausible = Number.isInteger(size) && size > 1 && size <= MOST_TRACED.size && !BATCH_SIZES.includes(size);
      if (plausible) counts.set(size, (counts.get(size) ?? 0) + 1);
    };
    for (const tensor of this.constants.values()) {
      const { type, shape } = tensor;
      if (type === "int64" && shape.length === 1 && shape[0]! <= MOST_TRACED.axes) tensor.data.forEach(count);
      else if (isFloating(type) && shape.length > 1) count(shape[0]!);
    }
    return [...counts]
      .sort((a, b) => b[1] - a[1])
      .slice(0, MOST_TRACED.tried)
      .map(([size]) => size);
  }

  /** First whole kinds, then single sizes; stops as soon as nothing contradicts. */
  private search(assignment: Map<string, number>, problems: (inputs: readonly GraphInput[]) => number): void {
    let best = problems(this.inputs(assignment));
    let attempts = 0;
    const attempt = (keys: readonly string[], size: number): void => {
      if (++attempts > MAX_ATTEMPTS) return;
      const before = new Map(assignment);
      for (const key of keys) if (!this.forced.has(key)) assignment.set(key, size);
      this.relate(assignment);
      const found = problems(this.inputs(assignment));
      if (found < best) best = found;
      else for (const [key, value] of before) assignment.set(key, value);
    };
    const groups: [Kind, string[]][] = (["spatial", "other", "batch"] as const).map((kind) => [
      kind,
      [...this.kinds.keys()].filter((key) => this.kinds.get(key) === kind),
    ]);
    for (const [kind, keys] of groups) {
      if (keys.length > 0) for (const size of candidates(kind)) if (best > 0) attempt(keys, size);
      if (kind === "batch" && keys.length > 0 && best > 0) {
        for (const size of this.tracedSizes()) if (best > 0) attempt(keys, size);
      }
    }
    for (const [kind, keys] of groups) {
      for (const key of keys) for (const size of candidates(kind)) if (best > 0 && keys.length > 1) attempt([key], size);
    }
  }
}

/** Sizes above that are hardly a batch's, lists longer than that hardly a shape, and how many sizes are tried. */
const MOST_TRACED = { size: 1024, axes: 8, tried: 12 } as const;

function attributeNumber(use: Use, name: string, fallback: number): number {
  const value = use.node.attributes[name];
  return typeof value === "number" ? value : fallback;
}

function candidates(kind: Kind): readonly number[] {
  return kind === "batch" ? BATCH_SIZES : kind === "spatial" ? SPATIAL_SIZES : OTHER_SIZES;
}
