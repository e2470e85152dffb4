/**
 * @file The twin: the same graph with every channel space, and as far as it goes every other size, shrunk to a few units.
 * Nodes, names and parameters are the same, so what holds by rule for one holds for the other; ranks and certificates of a
 * model of any size are taken on its twin.
 */
import type { Graph, Node } from "../../graph/graph";
import { elementCount, type Shape } from "../../graph/tensor";
import { operatorTable } from "../../operators/table";
import type { InferredAxes } from "../spaces/infer";
import { type Shortened, withoutRepetitions } from "./depth";
import { type DenseLayers, denseLayers } from "./dense";
import { propagate } from "./propagate";
import { smallest, withBatch } from "./search";
import { SizeConflict } from "./sizes";
import type { Reach } from "./sizing";
import { withoutStages } from "./stages";
import { Survey } from "./survey";
import { type ShrinkingSpace, Widths } from "./widths";

/** How to shrink. */
export interface TwinOptions {
  /** New size of a free atom; 3 or 4, and 2 for heads and groups, unless told. Never more than its old size. */
  readonly size?: (space: ShrinkingSpace) => number;
  /** Added to all sizes of free atoms that `size` does not tell. */
  readonly wider?: number;
  /** New size of the first axis of each input (default: the old one, at most 4). */
  readonly batch?: number;
  /**
   * As small as can be for a rank: two images where four are usual, and channels of two wherever that is fewer weights. Quick, but
   * narrow rectifiers are off, and functions of two samples degenerate, more often: what it leaves open a usual twin may not.
   */
  readonly compact?: boolean;
  /** "keep" leaves all pinned sizes (images, tokens, classes, kernels) as they are. */
  readonly spatial?: "keep" | "shrink";
  /** "keep" leaves the kernels of convolutions as they are, so that no weight changes its shape for smaller images. */
  readonly kernels?: "keep" | "shrink";
  /**
   * Sizes from here on are cut to it where nothing decides: classes, vocabularies, feature counts (7 unless told). What sees tokens
   * one by one sees so many numbers: of few it computes a table, whatever its weights are.
   */
  readonly undecided?: number;
  /** A twin of the same graph: where its input sizes do here, no others are tried. */
  readonly like?: Twin;
  /** "pairs" cuts runs of equal blocks down to two, "shrink" to one where two are many weights; all stay unless told. */
  readonly depth?: "keep" | "pairs" | "shrink";
}

/** A graph of the same structure with small sizes. */
export interface Twin {
  /** In normal form, with new shapes and without weights; nodes and names as in the source, but for blocks left out. */
  readonly graph: Graph;
  /** New size of each free root atom that parameters have. */
  readonly sizes: ReadonlyMap<number, number>;
  /** For parameters of blocks that repeat, those of the first one; with fewer blocks only. */
  readonly standIns: ReadonlyMap<string, string>;
  /** In which respects it is more than a smaller copy, in sentences. */
  readonly notes: readonly string[];
  /** Input sizes before anything was left out, how far sizes shrink along with them, and what undecided ones are cut to. */
  readonly sized: { readonly inputs: ReadonlyMap<string, Shape>; readonly reach: Reach; readonly undecided: number };
}

/** Why there is no twin, in a sentence. */
export interface NoTwin {
  readonly reason: string;
}

/** Widths of channels and head sizes, in turn. */
const USUAL = [3, 4] as const;
const NARROW = [3] as const;
const NARROWEST = [2] as const;
/** Trainable entries from which on the narrow width is used, since ranks cost the cube of their number. */
const MOST_ENTRIES = 300;
/** The same for a single block of each kind in place of two. */
const MOST_ENTRIES_OF_PAIRS = 600;
/** The same for blocks that differ in what they read in place of equal ones. */
const MOST_ENTRIES_OF_SINGLES = 600;
/** Trainable entries of what is left after that from which on channels come down to two, which is enough for ranks. */
const MOST_ENTRIES_OF_THREE = 1000;
/** The same for compact twins. */
const MOST_ENTRIES_OF_COMPACT = 300;
/** What sizes are cut to where nothing decides. */
const UNDECIDED = 7;
/** Where clips have their outer bound: a normalised value is beyond it now and then, but not always. */
const NEAR = 1.6;
/** Statements that atoms are equal or stay, each of which means another attempt. */
const MOST_STATEMENTS = 64;

/**
 * Makes the twin of a graph in normal form, given its axes with patterns of constants not pinned (`softPins: false`). Never
 * throws on a graph whose shapes are consistent: where sizes cannot be made to fit, the reason is returned.
 */
export function makeTwin(normal: Graph, axes: InferredAxes, options: TwinOptions = {}): Twin | NoTwin {
  const dense = options.depth === "shrink" || options.depth === "pairs" ? denseLayers(normal, axes) : undefined;
  const twin = dense && dense.count > 0 ? twinWithout(dense, normal, axes, options) : undefined;
  return twin && !("reason" in twin) ? twin : twinWithout(NOTHING, normal, axes, options);
}

const NOTHING: DenseLayers = { atoms: new Set(), count: 0, standIns: new Map() };

function twinWithout(repeated: DenseLayers, normal: Graph, axes: InferredAxes, options: TwinOptions): Twin | NoTwin {
  const survey = new Survey(normal);
  const undecided = options.like?.sized.undecided ?? options.undecided ?? UNDECIDED;
  const choices = { size: options.size, pattern: USUAL, wider: options.wider, empty: repeated.atoms };
  let widths = new Widths(survey, axes, choices);
  const attempt = (inputs: ReadonlyMap<string, Shape>, reach: Reach): Graph | SizeConflict => {
    for (let statements = 0; ; statements++) {
      try {
        return propagate(
          survey,
          axes,
          { inputs, widths, reach, undecided },
          (node: Node) => operatorTable(node.operator, node.domain)?.equivariance,
        );
      } catch (error) {
        if (!(error instanceof SizeConflict)) throw error;
        if (error.atoms.length === 0 || statements > MOST_STATEMENTS) return error;
        if (!widths.equate(error.atoms) && !widths.keep(error.atoms)) return error;
      }
    }
  };
  const notes: string[] = [];
  let inputs: ReadonlyMap<string, Shape> = new Map(normal.inputs.map((i) => [i.name, withBatch(i.shape, options.batch)]));
  let reach: Reach = "channels";
  let best: Graph | undefined;
  const reaches: readonly Reach[] = options.kernels === "keep" ? ["space"] : ["thin", "dense", "strided"];
  if (options.like) {
    const again = attempt(options.like.sized.inputs, options.like.sized.reach);
    if (again instanceof SizeConflict) widths = new Widths(survey, axes, choices);
    else [best, inputs, reach] = [again, options.like.sized.inputs, options.like.sized.reach];
  }
  for (const wanted of options.spatial === "keep" || best ? [] : reaches) {
    // What a failed attempt found equal or unable to shrink holds for that attempt only.
    widths = new Widths(survey, axes, choices);
    const { found, failure } = smallest(normal, options.batch, (sizes) => attempt(sizes, wanted), options.compact);
    if (found) {
      best = found;
      inputs = new Map(found.inputs.map((i) => [i.name, i.shape]));
      reach = wanted;
      break;
    }
    if (wanted === "strided") notes.push(`only channels are smaller: ${failure}`);
  }
  if (!best) {
    const result = attempt(inputs, reach);
    if (result instanceof SizeConflict) return { reason: `the model cannot be made smaller: ${result.message}` };
    best = result;
  }
  let pattern: readonly [number, ...number[]] = USUAL;
  if (trainableEntries(best) > MOST_ENTRIES) {
    widths.usePattern(NARROW);
    const narrow = attempt(inputs, reach);
    if (narrow instanceof SizeConflict) widths.usePattern(USUAL);
    else [best, pattern] = [narrow, NARROW];
  }
  if (widths.shuffles) notes.push("shuffled channels are fewer, and fall into fewer sets that go the same way");
  let short = shortened(best, options.depth);
  const most = options.compact ? MOST_ENTRIES_OF_COMPACT : MOST_ENTRIES_OF_THREE;
  if (options.depth === "shrink" && trainableEntries(short.graph) > most) {
    widths.usePattern(NARROWEST);
    const narrow = attempt(inputs, reach);
    const shorter = narrow instanceof SizeConflict ? undefined : shortened(narrow, options.depth);
    // Narrower copies may have more blocks left.
    if (shorter && trainableEntries(shorter.graph) < trainableEntries(short.graph)) short = shorter;
    else widths.usePattern(pattern);
  }
  const removed = short.removed + repeated.count;
  if (removed > 0) notes.push(`${removed} repeated ${removed === 1 ? "block is" : "blocks are"} left out`);
  if (short.stages !== undefined)
    notes.push(
      `of ${short.stages} stages at different resolutions two are left, which share out the blocks that both would have`,
    );
  const standIns = new Map([...repeated.standIns, ...short.standIns]);
  return { graph: withNearBounds(short.graph), sizes: widths.sizes(), standIns, notes, sized: { inputs, reach, undecided } };
}

/** The graph with runs of equal blocks cut down as far as the number of its weights asks for. */
function shortened(graph: Graph, depth: TwinOptions["depth"] = "keep"): Shortened {
  if (depth === "keep") return { graph, removed: 0, standIns: new Map() };
  const pairs = withoutRepetitions(graph, 2);
  if (depth === "pairs" || trainableEntries(pairs.graph) <= MOST_ENTRIES_OF_PAIRS) return pairs;
  const singles = withoutRepetitions(graph, 1);
  if (trainableEntries(singles.graph) <= MOST_ENTRIES_OF_SINGLES) return singles;
  const kinds = withoutRepetitions(graph, 1, "kind");
  return trainableEntries(kinds.graph) <= MOST_ENTRIES_OF_SINGLES ? kinds : together(kinds, withoutStages(kinds.graph));
}

/** What is left when stages are left out after blocks were. */
function together(first: Shortened, second: Shortened): Shortened {
  return {
    ...second,
    removed: first.removed + second.removed,
    standIns: new Map([...first.standIns, ...second.standIns]),
  };
}

/**
 * Clips with both bounds brought within reach, in proportion. What never meets a bound is linear there, and would show symmetries
 * of a linear function that the model at large does not have.
 */
function withNearBounds(graph: Graph): Graph {
  const constants = new Map(graph.constants);
  let changed = false;
  const nodes = graph.nodes.map((node, k) => {
    const bounds =
      node.operator === "Clip" && node.domain === "" ? [1, 2].map((i) => graph.constants.get(node.inputs[i] ?? "")) : [];
    const [low, high] = bounds.map((t) => t?.data[0]);
    const reach = Math.max(Math.abs(low ?? Number.NaN), Math.abs(high ?? Number.NaN));
    if (!(reach > NEAR) || !Number.isFinite(reach)) return node;
    changed = true;
    const names = bounds.map((t, i) => {
      const name = `${node.name}:near:${k}:${i}`;
      constants.set(name, { ...t!, data: t!.data.map((x) => (x * NEAR) / reach) });
      return name;
    });
    return { ...node, inputs: [node.inputs[0]!, ...names] };
  });
  if (!changed) return graph;
  const types = new Map(graph.types);
  for (const [name, { type, shape }] of constants) types.set(name, { type, shape });
  return { ...graph, nodes, constants, types };
}

/** Number of trainable entries of a graph. */
export function trainableEntries(graph: Graph): number {
  let n = 0;
  for (const p of graph.parameters.values()) if (p.trainable) n += elementCount(p.shape);
  return n;
}
