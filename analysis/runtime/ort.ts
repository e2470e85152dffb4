/** @file ONNX Runtime itself: sessions of this process. `session.run` blocks the event loop; see runner.ts for a child process. */
import type * as Ort from "onnxruntime-node";
import type { ElementType } from "../graph/tensor";
import type { SessionOptions, WireTensor, WireTensors } from "./protocol";

/** ONNX Runtime cannot run here, or it refused a model. */
export class RuntimeFailure extends Error {
  constructor(
    /** unavailable: the native library cannot load; model: it refused the model or failed while running it. */
    readonly reason: "unavailable" | "model",
    message: string,
  ) {
    super(message);
    this.name = "RuntimeFailure";
  }
}

let loaded: Promise<typeof Ort> | undefined;

/** Loads the native library at first use, so that a machine without one can still lint. */
export async function loadOrt(): Promise<typeof Ort> {
  loaded ??= import("onnxruntime-node");
  try {
    return await loaded;
  } catch (error) {
    throw new RuntimeFailure(
      "unavailable",
      `ONNX Runtime cannot be loaded on ${process.platform}-${process.arch}: ${firstLine(error)}. ` +
        "Static analysis works without it; certification and probes need a platform that onnxruntime-node supports.",
    );
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}

/** ONNX Runtime's names that are element types of ours; the others (int4, ...) do not leave a Graph that was written here. */
const ELEMENT_TYPES: ReadonlyMap<string, ElementType> = new Map(
  (
    ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"] as const
  ).map((type) => [type, type]),
);

/** One model in ONNX Runtime, on the CPU. */
export class OrtSession {
  private bound: Record<string, Ort.Tensor> = {};

  private constructor(
    private readonly ort: typeof Ort,
    private readonly session: Ort.InferenceSession,
  ) {}

  /** @throws RuntimeFailure */
  static async open(model: Uint8Array, options: SessionOptions): Promise<OrtSession> {
    const ort = await loadOrt();
    try {
      const session = await ort.InferenceSession.create(model, {
        executionProviders: ["cpu"],
        graphOptimizationLevel: options.optimization,
        intraOpNumThreads: options.threads,
        interOpNumThreads: 1,
        executionMode: "sequential",
        // Errors reach the caller as exceptions; the log would only repeat them.
        logSeverityLevel: 4,
        extra: { session: { intra_op: { allow_spinning: "0" } } },
      });
      return new OrtSession(ort, session);
    } catch (error) {
      throw new RuntimeFailure("model", firstLine(error));
    }
  }

  /** Keeps feeds for all later runs, which may override them. */
  bind(feeds: WireTensors): void {
    for (const [name, tensor] of Object.entries(feeds)) this.bound[name] = this.tensor(tensor);
  }

  /** @throws RuntimeFailure */
  async run(feeds: WireTensors): Promise<WireTensors> {
    const all = { ...this.bound };
    for (const [name, tensor] of Object.entries(feeds)) all[name] = this.tensor(tensor);
    let outputs: Ort.InferenceSession.ReturnType;
    try {
      outputs = await this.session.run(all);
    } catch (error) {
      throw new RuntimeFailure("model", firstLine(error));
    }
    const out: WireTensors = {};
    for (const [name, value] of Object.entries(outputs)) {
      if (value.type === "string") continue;
      out[name] = {
        type: ELEMENT_TYPES.get(value.type) ?? "other",
        shape: [...value.dims],
        data: value.data as WireTensor["data"],
      };
    }
    return out;
  }

  async close(): Promise<void> {
    this.bound = {};
    await this.session.release();
  }

  private tensor(wire: WireTensor): Ort.Tensor {
    return new this.ort.Tensor(wire.type as Ort.Tensor.Type, wire.data as Ort.Tensor.DataType, [...wire.shape]);
  }
}
