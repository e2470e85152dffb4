/** @file What reading a file gives: its models, its problems, and how both were asked for. */
import type { FileHeader } from "../frontends/onnx/index";
import type { Chunk, Inventory, TrainingFacts } from "../frontends/python/index";
import type { Graph } from "../graph/graph";
import type { SourceRange } from "../graph/source";
import type { ProbeRecord } from "../probe/record/record";
import type { ReportedModel } from "../report/json";
import type { Layer } from "../rules/checked";
import type { AnalysisOptions } from "../symmetry/analysis";
import type { Cells } from "./cells";

/** A model that was read. It is analysed when somebody asks for its analysis. */
export interface LoadedModel extends ReportedModel {
  readonly graph: Graph;

  /** The class statement; absent for ONNX. */
  readonly range?: SourceRange;
  /** Empty for ONNX. */
  readonly layers: readonly Layer[];
  /** What the source registers; absent for ONNX. */
  readonly inventory?: Inventory;
  /** The Python call that makes it; absent for ONNX, and where an argument has no text. */
  readonly construction?: string;
  /** What the last probe of the present model and settings measured. */
  probed?(): ProbeRecord | undefined;
}

/** Why something in a file was not analysed. */
export interface Problem {
  readonly message: string;
  /** True where the text does not parse. */
  readonly syntax?: true;
  readonly range?: SourceRange;
}

/** A file with its models. */
export interface LoadedFile {
  /** As the user named it. */
  readonly file: string;
  readonly language: "python" | "onnx";
  /** Source text; of a notebook the code of its cells, one after the other. */
  readonly text?: string;
  /** Of a notebook: the cell that a line of the text is in. */
  readonly cells?: Cells;
  /** Of an ONNX file: what it says besides its graph. */
  readonly header?: FileHeader;
  readonly models: readonly LoadedModel[];
  readonly problems: readonly Problem[];
  /** The syntax of the text as it was read; absent for ONNX. */
  readonly syntax?: readonly Chunk[];
  /** Calls on tensors in the forward passes of its models, and how many are understood; of Python only. */
  readonly calls?: { readonly understood: number; readonly all: number };
  /** What a Python file says about training. */
  facts?(): TrainingFacts;
  /** Models of other files that it trains. */
  trained?(): readonly LoadedModel[];
}

/** How to read and analyse. */
export interface LoadOptions {
  /** Shapes of the inputs by position, instead of declared or assumed ones. */
  readonly inputShapes?: readonly (readonly number[])[];
  /** Parameters that do not train: names, or patterns with `*` and `?`. */
  readonly frozen?: readonly string[];
  readonly analysis?: AnalysisOptions;
  /** Analyse this class or factory function of a Python file only. */
  readonly className?: string;
  /** How classes are made and called where code does not say it, as in the pragma: `Model(width=64), input=(8, 3, 32, 32)`. */
  readonly calls?: readonly string[];
}

/** A file has no model of the name that was asked for. */
export class UnknownModel extends Error {
  override readonly name = "UnknownModel";
  constructor(
    file: string,
    readonly wanted: string,
    /** Classes that the file has. */
    readonly classes: readonly string[],
    options?: ErrorOptions,
  ) {
    super(`${file} has no model ${wanted}`, options);
  }
}
