/** @file What rules look at: the models of one file, and what the source says of their layers. */
import type { Chunk, Inventory, TrainingFacts } from "../frontends/python/index";
import type { Graph } from "../graph/graph";
import type { SourceRange } from "../graph/source";
import type { ProbeRecord } from "../probe/record/record";
import type { ModelAnalysis } from "../symmetry/analysis";

/** How the constructor call of a layer says whether there is a bias. */
export interface BiasArgument {
  /**
   * keyword: `bias=True`; positional: `nn.Linear(4, 8, True)`; default: not said; indirect: through a variable, a starred
   * argument or a factory whose callers differ.
   */
  readonly form: "keyword" | "positional" | "default" | "indirect";
  /** The constructor's parameter, where it is not `bias`: `use_bias` in Keras and Flax. */
  readonly parameter?: string;
  /** The value of the argument, for keyword and positional. */
  readonly range?: SourceRange;
  /** The whole call, from the name of the class to its closing bracket. */
  readonly call: SourceRange;
}

/** A layer of a model: one instance, made by one call and applied at some places. */
export interface Layer {
  /** Module path, for example `layer1.0.conv1`. */
  readonly scope: string;
  /** The call that made it. */
  readonly constructor: SourceRange;
  /** Where forward applies it. */
  readonly uses: readonly SourceRange[];
  /** Class name, for example `Conv2d`. */
  readonly kind: string;
  /** Names of its own parameters. */
  readonly parameters: readonly string[];
  readonly bias?: BiasArgument;
}

/** A model. */
export interface CheckedModel {
  readonly name: string;
  /** As the front end gave it. */
  readonly graph: Graph;
  /** Its normal form, made when a rule asks for it. */
  normal(): Graph;
  /** Empty for ONNX. */
  readonly layers: readonly Layer[];
  /** Its symmetries, found when a rule asks for them. */
  analysis(): ModelAnalysis;
  /** What the source registers; absent for ONNX. */
  readonly inventory?: Inventory;
  /** The class statement; absent for ONNX. */
  readonly range?: SourceRange;
  /** What a probe measured, once there was one of the present model and settings. */
  probed?(): ProbeRecord | undefined;
}

/** A file and all models found in it. */
export interface CheckedFile {
  /** As the user named it. */
  readonly file: string;
  readonly language: "python" | "onnx";
  /** Source text; absent for ONNX. */
  readonly text?: string;
  readonly models: readonly CheckedModel[];
  /** The syntax of the text, for fixes; absent for ONNX. */
  syntax?(): readonly Chunk[];
  /** What the code says about training, read when a rule asks for it; absent for ONNX. */
  facts?(): TrainingFacts;
  /** Models of other files that optimisers of this one train, read when a rule asks for them. */
  trained?(): readonly CheckedModel[];
}
