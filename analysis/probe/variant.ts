/** @file One network of a probe, ready to train: at its batch size, with its loss, its layout and its data's shapes. */
import type { Graph } from "../graph/graph";
import { indexBound } from "../runtime/random-inputs";
import { withBatch } from "./batch";
import { type Cost, costOf } from "./cost";
import { type DataShape, dataShape } from "./data/dataset";
import { type Layout, layoutOf } from "./layout";
import { type LossPlan, planLoss } from "./loss";
import { type ObserveModel, observeModel } from "./observe";
import { isNoise, noiseAsInputs } from "./noise";
import { prepare, type Trainable } from "./prepare";
import { NotReplicable, replicate } from "./replicate";
import type { LossKind, ProbeSetting } from "./types";

/** See above. */
export class Variant {
  readonly trainable: Trainable;
  readonly loss: LossPlan;
  readonly cost: Cost;
  readonly shape: DataShape;
  readonly batching: "rows" | "whole";
  readonly notes: readonly string[];
  /** The graph with its own random numbers as inputs. */
  private readonly source: Graph;
  private readonly lowered: { readonly trainable: Trainable } | undefined;
  private readonly layouts = new Map<boolean, Layout>();
  private readonly observed = new Map<string, ObserveModel>();

  /**
   * @param graph in float32
   * @param portable only operators that GPU providers have
   * @throws Error where the network has nothing to train
   */
  constructor(
    readonly graph: Graph,
    readonly batch: number,
    wanted: LossKind | undefined,
    private readonly portable: boolean,
  ) {
    this.source = noiseAsInputs(graph);
    const moved = withBatch(this.source, batch);
    this.batching = moved ? "rows" : "whole";
    const own = moved ?? this.source;
    this.trainable = prepare(own, !portable);
    if (![...own.parameters.values()].some((p) => p.trainable)) throw new Error(`${graph.name} has no parameters that train`);
    this.loss = planLoss(this.trainable.graph, wanted);
    this.cost = costOf(this.trainable.graph);
    const bound = (input: string) => indexBound(own, input);
    this.shape = dataShape(this.trainable.graph, this.loss, this.batching === "rows", bound);
    const notes = [...this.trainable.notes];
    if (!moved) {
      const sizes = graph.inputs.map((i) => `[${i.shape.join(", ")}]`).join(", ");
      notes.push(`the batch size is written into the model: it trains at its own input shapes ${sizes}`);
    }
    if (own.inputs.some((i) => isNoise(i.name)))
      notes.push("random numbers that the model draws are drawn once for each example");
    if (graph.outputs.length > 1) notes.push(`of ${graph.outputs.length} outputs the first is trained`);
    this.notes = notes;
    this.lowered = portable ? { trainable: this.trainable } : undefined;
  }

  /** Rows that one step sees. */
  get rows(): number {
    return this.batching === "rows" ? this.batch : 1;
  }

  /** The layout of the state; `shared` where several runs are one graph. */
  layout(shared: boolean): Layout {
    let layout = this.layouts.get(shared);
    if (!layout) {
      layout = layoutOf(this.trainable, shared);
      this.layouts.set(shared, layout);
    }
    return layout;
  }

  /** The network with a replica axis; undefined where it has no such form. */
  replicated(replicas: number): Trainable | undefined {
    try {
      return replicate(this.lowered?.trainable ?? prepare(withBatch(this.source, this.batch) ?? this.source, false), replicas);
    } catch (error) {
      if (error instanceof NotReplicable) return undefined;
      throw error;
    }
  }

  /** The model that looks at the states of a setting's runs. */
  observe(shared: boolean, setting: ProbeSetting): ObserveModel {
    const key = `${shared} ${setting.reparametrisation ? setting.name : ""}`;
    let model = this.observed.get(key);
    if (!model) {
      model = observeModel(this.trainable, this.layout(shared), this.loss, setting.reparametrisation);
      this.observed.set(key, model);
    }
    return model;
  }

  get isPortable(): boolean {
    return this.portable;
  }
}
