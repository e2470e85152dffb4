/**
 * @file The weights of a model that runs again and again while they move: in float64, where actions overwrite them, and as ONNX
 * Runtime takes them. A model of 86 million weights fills 1 GB so; nothing else may be as large as the model.
 */
import { toInt64 } from "../frontends/onnx/encode";
import type { Graph, Parameter } from "../graph/graph";
import { isFloating } from "../graph/tensor";
import { Random } from "../numerics/random";
import type { ParameterValues } from "../symmetry/symmetry";
import type { TypedValues, WireTensor, WireTensors } from "./protocol";
import { randomFor, randomWeights } from "./random-weights";
import { typedValues } from "./values";

/** Type of the arithmetic of a run. */
export type Arithmetic = "float32" | "float64";

/** How weights are made. */
export interface WeightOptions {
  /** Seed of those that the file has no values for; 1 by default. */
  readonly seed?: number;
  /** float32 by default, which every operator has. */
  readonly elementType?: Arithmetic;
  /** Values to use in place of the file's, for parameters that they name. They are not overwritten. */
  readonly values?: ParameterValues;
  /**
   * Trained parameters whose entries are all equal get entries about that: fresh gains of one and biases of zero hide whether
   * they are moved as they have to be.
   */
  readonly generic?: true;
}

/** The values of a graph's parameters: where they start, and where they are. */
export class MovingWeights {
  /** Names of the parameters that nothing has values for: theirs are random (see `randomWeights`). */
  readonly random: readonly string[];
  readonly elementType: Arithmetic;
  /** Grows with each change. */
  version = 0;
  private readonly graph: Graph;
  private readonly seed: number;
  private readonly current = new Map<string, Float64Array>();
  /** Arrays that others hold too. */
  private readonly given = new Map<string, Float64Array>();
  private theirs: ReadonlySet<Float64Array> | undefined;
  private readonly owned = new Set<Float64Array>();
  private readonly typed = new Map<string, TypedValues>();
  /** The version at which a parameter changed last, and that of its typed values. */
  private readonly changed = new Map<string, number>();
  private readonly converted = new Map<string, number>();
  /** Parameters whose values are not those of the beginning, and those of which only the typed values are not. */
  private readonly away = new Set<string>();
  private readonly rounded = new Set<string>();

  /** @throws OnnxError when the file has changed since it was opened; RangeError where random weights are too many */
  constructor(graph: Graph, options: WeightOptions = {}) {
    this.graph = graph;
    this.seed = options.seed ?? 1;
    this.elementType = options.elementType ?? "float32";
    const random: string[] = [];
    for (const p of graph.parameters.values()) {
      if (p.type === "string") continue;
      const found = options.values ? options.values.get(p.name) : p.read?.()?.data;
      const values = options.generic && found && p.trainable && isFloating(p.type) ? varied(p.name, found, this.seed) : found;
      if (values) this.given.set(p.name, values);
      else if (!options.values) random.push(p.name);
    }
    this.random = random;
    for (const [name, values] of this.given) this.put(name, values);
    this.draw(random);
  }

  /**
   * Values by name as they are until they move, as an object of its own: who caches what it knows of weights does so by the
   * object. It is no copy, which takes as long as a network has parameters, for each of its symmetries.
   */
  now(): ParameterValues {
    return new View(this.current);
  }

  /** Arrays that an action may overwrite. */
  get mine(): ReadonlySet<Float64Array> {
    return this.owned;
  }

  /** Takes values that have moved; arrays among them that are nobody else's are kept. */
  move(moved: ParameterValues): void {
    this.version++;
    const theirs = (this.theirs ??= new Set(this.given.values()));
    for (const [name, values] of moved) {
      this.put(name, values);
      this.away.add(name);
      if (!theirs.has(values)) this.owned.add(values);
    }
  }

  /** Everything as it was in the beginning. */
  restore(): void {
    if (this.away.size + this.rounded.size === 0) return;
    this.version++;
    for (const name of this.rounded) if (!this.away.has(name)) this.put(name, this.current.get(name)!);
    this.rounded.clear();
    const drawn: string[] = [];
    for (const name of this.away) {
      this.owned.delete(this.current.get(name)!);
      const given = this.given.get(name);
      if (given) this.put(name, given);
      else drawn.push(name);
    }
    this.draw(drawn);
    this.away.clear();
  }

  /** Every typed value one unit in the last place larger or smaller, until the next `restore`. */
  round(): void {
    this.version++;
    const random = new Random(this.seed);
    const unit = this.elementType === "float32" ? 2 ** -23 : 2 ** -52;
    for (const [name, values] of this.current) {
      if (!isFloating(this.graph.parameters.get(name)!.type)) continue;
      const typed = this.typedOf(name, values) as Float32Array | Float64Array;
      for (let i = 0; i < typed.length; i++) typed[i]! *= random.bits() & 1 ? 1 + unit : 1 - unit;
      this.put(name, values);
      this.converted.set(name, this.version);
      this.rounded.add(name);
    }
  }

  /** What has changed since a version, as ONNX Runtime takes it: the same array for a parameter each time. */
  since(version: number, parameters: ReadonlyMap<string, Parameter>): WireTensors {
    const out: WireTensors = {};
    for (const [name, values] of this.current) {
      const parameter = parameters.get(name);
      if (!parameter || (version >= 0 && this.changed.get(name)! <= version)) continue;
      out[name] = { type: this.typeOf(parameter), shape: parameter.shape, data: this.typedOf(name, values) };
    }
    return out;
  }

  private typeOf(parameter: Parameter): WireTensor["type"] {
    return isFloating(parameter.type) ? this.elementType : parameter.type;
  }

  private typedOf(name: string, values: Float64Array): TypedValues {
    const at = this.changed.get(name)!;
    let typed = this.typed.get(name);
    if (typed && this.converted.get(name) === at) return typed;
    if (typed?.length === values.length && !(typed instanceof BigInt64Array || typed instanceof BigUint64Array))
      typed.set(values);
    else if (typed instanceof BigInt64Array) for (let i = 0; i < values.length; i++) typed[i] = toInt64(values[i]!);
    else typed = typedValues({ type: this.typeOf(this.graph.parameters.get(name)!), data: values });
    this.typed.set(name, typed);
    this.converted.set(name, at);
    return typed;
  }

  private draw(names: readonly string[]): void {
    for (const [name, values] of randomWeights(this.graph, this.seed, names)) {
      this.put(name, values);
      this.owned.add(values);
    }
  }

  private put(name: string, values: Float64Array): void {
    this.current.set(name, values);
    this.changed.set(name, this.version);
  }
}

/** How far entries that were all equal go to both sides: relative to them, or for zeros as they are. */
const VARIATION = 0.2;

function varied(name: string, values: Float64Array, seed: number): Float64Array {
  const first = values[0];
  if (first === undefined || values.some((v) => v !== first)) return values;
  const random = randomFor(name, seed);
  const most = VARIATION * (first === 0 ? 1 : Math.abs(first));
  return random.uniforms(values.length, first - most, first + most);
}

/** A map that others cannot write to. */
class View<K, V> implements ReadonlyMap<K, V> {
  constructor(private readonly map: ReadonlyMap<K, V>) {}

  get size(): number {
    return this.map.size;
  }

  get(key: K): V | undefined {
    return this.map.get(key);
  }

  has(key: K): boolean {
    return this.map.has(key);
  }

  forEach(visit: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this.map) visit(value, key, this);
  }

  entries(): MapIterator<[K, V]> {
    return this.map.entries();
  }

  keys(): MapIterator<K> {
    return this.map.keys();
  }

  values(): MapIterator<V> {
    return this.map.values();
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.map.entries();
  }
}
