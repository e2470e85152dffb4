/**
 * @file Certification at full size: random elements of all claimed symmetries act on one copy of the weights, and outputs are
 * compared through ONNX Runtime. As many elements as possible act at once; who is guilty is found by halves.
 */
import type { Graph } from "../graph/graph";
import { Random } from "../numerics/random";
import { comparable, deviation, type MovingWeights, ObservedNetwork, type Outputs, type Runner } from "../runtime";
import type { Symmetry } from "../symmetry/symmetry";

/** Largest relative deviation of outputs in float32 that still counts as equal. */
export const TOLERANCE = 1e-5;

/**
 * Deep networks with batch statistics amplify float32 rounding beyond that: a deviation of this many times what a last-bit
 * change of every weight does is rounding too.
 */
const ROUNDING_FACTOR = 5;

/** Milliseconds of acting after which the process hears what else it is told. */
const BREATH = 50;

/**
 * The order in which kinds act: what adds to weights comes before what scales them, since a shift beside weights that have been
 * made small drowns them in float32. Kinds of one list are applied together when not all kinds are.
 */
const ORDER: readonly (readonly Symmetry["kind"][])[] = [
  ["unread"],
  ["translation"],
  ["linear", "rotation"],
  ["permutation", "sign", "swap"],
  ["rescaling"],
  ["scale"],
];

/**
 * Trained entries up to which finite claims are also told apart, and how many of them: two false ones whose elements undo each
 * other (each half of an exchange, say) look right together, and a pass over a small network costs nothing.
 */
const MOST_TOLD_APART = { weights: 100_000, claims: 64 };

/** How to check. */
export interface FullSizeOptions {
  readonly seed: number;
  readonly signal?: AbortSignal;
  /** Kinds act one by one, each at the first weights and not where others have led: for what is solved for there. */
  readonly fromFirst?: true;
}

/** A graph on which claims are checked. */
interface Place {
  readonly network: ObservedNetwork;
  /** Its outputs at the first weights. */
  readonly first: Outputs;
  /** How far a last-bit change of all weights moves them. */
  rounding?: number;
}

/** What was found. */
export interface FullSizeResult {
  readonly failed: readonly Symmetry[];
  /** Whether some hold on a later graph only. */
  readonly later: boolean;
}

/** Checks symmetries on one set of weights, which it moves and restores. */
export class FullSizeCheck {
  /** Largest deviation among the comparisons that counted. */
  worst = 0;
  /** Symmetries that could not be applied, by id. */
  readonly unchecked = new Set<string>();
  private readonly random: Random;
  private readonly places = new Map<Graph, Place>();
  private later = false;

  /** @param weights at the values at which claims are checked */
  constructor(
    private readonly weights: MovingWeights,
    private readonly runner: Runner,
    private readonly options: FullSizeOptions,
  ) {
    this.random = new Random(options.seed);
  }

  /**
   * The symmetries that move the outputs by more than the tolerance on every one of the graphs: one whose epsilons are zero
   * confirms what another one cannot.
   * @throws RuntimeFailure, RunCancelled
   */
  async failures(graphs: readonly Graph[], symmetries: readonly Symmetry[]): Promise<FullSizeResult> {
    this.later = false;
    const failed = new Set<Symmetry>();
    const byKind = ORDER.map((kinds) => symmetries.filter((s) => kinds.includes(s.kind))).filter((g) => g.length > 0);
    const all = byKind.flat();
    let groups: readonly (readonly Symmetry[])[] =
      this.options.fromFirst || all.length === 0 ? byKind : [all, ...this.toldApart(all)];
    for (let isFirst = true; groups.length > 0; isFirst = false) {
      const parts: (readonly Symmetry[])[] = [];
      for (const g of groups) {
        if (await this.passes(graphs, g)) continue;
        const half = g.length >> 1;
        if (g === all && byKind.length > 1) parts.push(...byKind);
        else if (half > 0) parts.push(g.slice(0, half), g.slice(half));
        // Who was alone from the beginning gets a second element, as everybody else.
        else if (isFirst) parts.push(g);
        else for (const s of g) failed.add(s);
      }
      groups = parts;
    }
    return { failed: [...failed], later: this.later };
  }

  /** Groups of the finite claims such that of every two some group has only one. */
  private toldApart(all: readonly Symmetry[]): readonly (readonly Symmetry[])[] {
    let weights = 0;
    for (const values of this.weights.now().values()) weights += values.length;
    const finite = all.filter((s) => s.dimension === 0);
    if (finite.length > MOST_TOLD_APART.claims || weights > MOST_TOLD_APART.weights) return [];
    const digits = finite.length < 2 ? 0 : Math.ceil(Math.log2(finite.length));
    return Array.from({ length: digits }, (_, bit) => finite.filter((_s, k) => ((k >> bit) & 1) === 1));
  }

  /** Ends the sessions of all models that were opened. */
  async close(): Promise<void> {
    for (const { network } of this.places.values()) await network.close();
    this.places.clear();
  }

  /** Applies an element of each. The weights stay where that has led as long as the outputs do; otherwise they are restored. */
  private async passes(graphs: readonly Graph[], symmetries: readonly Symmetry[]): Promise<boolean> {
    if (this.options.fromFirst) this.weights.restore();
    const [graph, ...others] = graphs;
    if (!graph) return true;
    let place = await this.place(graph);
    await this.act(symmetries);
    let moved = deviation(place.first, await place.network.outputs());
    for (const other of others) {
      if (moved < TOLERANCE) break;
      const after = this.places.has(other) ? undefined : await this.outputsOf(other);
      place = await this.place(other, after?.network);
      moved = deviation(place.first, after?.outputs ?? (await place.network.outputs()));
      if (moved < TOLERANCE) this.later = true;
    }
    if (!(moved < TOLERANCE)) {
      this.weights.restore();
      if (!(moved < ROUNDING_FACTOR * (await this.rounding(place)))) return false;
      if (others.length > 0) this.later = true;
    }
    this.worst = Math.max(this.worst, moved);
    return true;
  }

  /** Moves the weights by an element of each. */
  private async act(symmetries: readonly Symmetry[]): Promise<void> {
    let begun = performance.now();
    for (let k = 0; k < symmetries.length; k++) {
      const s = symmetries[k]!;
      if (this.unchecked.has(s.id)) continue;
      if (performance.now() - begun > BREATH) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        this.options.signal?.throwIfAborted();
        begun = performance.now();
      }
      const element = s.randomElement(() => this.random.uniform());
      try {
        this.weights.move(s.act(this.weights.now(), element, this.weights.mine));
      } catch {
        // Solved by Newton's method, which does not always arrive: that says nothing of the others. What it has overwritten
        // until then is no element's work: all begin again without it.
        this.unchecked.add(s.id);
        this.weights.restore();
        k = -1;
      }
    }
  }

  /** A graph with its outputs at the first weights, which are restored for that where they are not known. */
  private async place(graph: Graph, opened?: ObservedNetwork): Promise<Place> {
    let place = this.places.get(graph);
    if (!place) {
      const network = opened ?? (await this.open(graph));
      this.weights.restore();
      place = { network, first: comparable(await network.outputs()) };
      this.places.set(graph, place);
    }
    return place;
  }

  /** A graph at the weights as they are now, before anything is known of it. */
  private async outputsOf(graph: Graph): Promise<{ readonly network: ObservedNetwork; readonly outputs: Outputs }> {
    const network = await this.open(graph);
    return { network, outputs: await network.outputs() };
  }

  private open(graph: Graph): Promise<ObservedNetwork> {
    const { seed, signal } = this.options;
    return ObservedNetwork.open(graph, this.weights, this.runner, { seed, ...(signal ? { signal } : {}) });
  }

  /** How far a last-bit change of every weight moves the outputs, from the first weights, where it leaves them. */
  private async rounding(place: Place): Promise<number> {
    if (place.rounding === undefined) {
      this.weights.round();
      place.rounding = deviation(place.first, await place.network.outputs());
      this.weights.restore();
    }
    return place.rounding;
  }
}
