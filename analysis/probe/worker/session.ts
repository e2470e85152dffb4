/** @file Sessions and tensors of ONNX Runtime in the process that trains. */
import type * as Ort from "onnxruntime-node";
import { loadOrt, RuntimeFailure } from "../../runtime/ort";
import type { WireTensor, WireTensors } from "../../runtime/protocol";
import type { Provider } from "./protocol";

/** Tensors by name. */
export type Tensors = Record<string, Ort.Tensor>;

const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split("\n")[0]!;

/**
 * A session of the given provider.
 * @param resident outputs that stay on the device (only WebGPU has such tensors in Node)
 * @throws RuntimeFailure
 */
export async function openSession(
  model: Uint8Array,
  provider: Provider,
  resident: readonly string[] = [],
): Promise<Ort.InferenceSession> {
  const { ort, cpu } = await loadOrt();
  try {
    return await ort.InferenceSession.create(model, {
      executionProviders: [provider.name === "cpu" ? cpu : provider.name],
      graphOptimizationLevel: "all",
      intraOpNumThreads: provider.threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      logSeverityLevel: 4,
      extra: { session: { intra_op: { allow_spinning: "0" } } },
      ...(resident.length > 0
        ? { preferredOutputLocation: Object.fromEntries(resident.map((name) => [name, "gpu-buffer" as const])) }
        : {}),
    });
  } catch (error) {
    throw new RuntimeFailure("model", firstLine(error));
  }
}

/** Runs a session for the given outputs, or all. @throws RuntimeFailure */
export async function call(session: Ort.InferenceSession, feeds: Tensors, fetches?: readonly string[]): Promise<Tensors> {
  try {
    return (await (fetches ? session.run(feeds, fetches) : session.run(feeds))) as Tensors;
  } catch (error) {
    throw new RuntimeFailure("model", firstLine(error));
  }
}

/** Tensors as the runtime takes them. */
export async function feedsOf(wire: WireTensors): Promise<Tensors> {
  const { ort } = await loadOrt();
  const out: Tensors = {};
  for (const [name, t] of Object.entries(wire)) {
    out[name] = new ort.Tensor(t.type as Ort.Tensor.Type, t.data as Ort.Tensor.DataType, [...t.shape]);
  }
  return out;
}

/** Outputs as they travel. */
export function wireOf(outputs: Tensors): Record<string, WireTensor> {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, t]) => [
      name,
      { type: t.type as WireTensor["type"], shape: [...t.dims], data: t.data as WireTensor["data"] },
    ]),
  );
}
