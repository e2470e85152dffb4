/** @file ONNX Runtime itself: sessions of this process. `session.run` blocks the event loop; see runner.ts for a child process. */
import { existsSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
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

/** ONNX Runtime as it could be loaded here. */
export interface LoadedOrt {
  readonly ort: Pick<typeof Ort, "InferenceSession" | "Tensor">;
  /** What its CPU provider is called: "cpu" in the native library, "wasm" where WebAssembly stands in for it. */
  readonly cpu: "cpu" | "wasm";
}

let loaded: Promise<LoadedOrt> | undefined;

/**
 * Loads ONNX Runtime at first use: the native library, or its WebAssembly build on a platform without one.
 * @throws RuntimeFailure where neither is there; a machine without any can still lint
 */
export function loadOrt(): Promise<LoadedOrt> {
  loaded ??= loadNative().catch((native: unknown) =>
    loadWebAssembly().catch(() => {
      throw new RuntimeFailure(
        "unavailable",
        `ONNX Runtime cannot be loaded on ${process.platform}-${process.arch}: ${firstLine(native)}. ` +
          "Static analysis works without it; for certification and probes install the package for this platform, or the universal one, which brings a WebAssembly build.",
      );
    }),
  );
  return loaded;
}

async function loadNative(): Promise<LoadedOrt> {
  return { ort: await import("onnxruntime-node"), cpu: "cpu" };
}

/** Files of the WebAssembly build beside a bundle; only the universal package has them. */
const BESIDE_BUNDLE = path.join(import.meta.dirname ?? __dirname, "ort-web");
const WASM_FILE = "ort-wasm-simd-threaded";

async function loadWebAssembly(): Promise<LoadedOrt> {
  const { env, InferenceSession, Tensor } = await import("onnxruntime-web");
  if (existsSync(BESIDE_BUNDLE)) {
    const url = (extension: string) => pathToFileURL(path.join(BESIDE_BUNDLE, `${WASM_FILE}.${extension}`)).href;
    env.wasm.wasmPaths = { mjs: url("mjs"), wasm: url("wasm") };
  }
  // More threads would need workers that keep the process alive; probes use processes instead.
  env.wasm.numThreads = 1;
  env.logLevel = "error";
  return { ort: { InferenceSession, Tensor }, cpu: "wasm" };
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
    private readonly ort: LoadedOrt["ort"],
    private readonly session: Ort.InferenceSession,
  ) {}

  /** @throws RuntimeFailure */
  static async open(model: Uint8Array, options: SessionOptions): Promise<OrtSession> {
    const { ort, cpu } = await loadOrt();
    try {
      const session = await ort.InferenceSession.create(model, {
        executionProviders: [cpu],
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
