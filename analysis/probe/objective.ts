/** @file The training loss as a function of the parameters: value and gradient on a fixed part of the data. */
import type { WireTensors } from "../runtime/protocol";
import type { ParameterValues } from "../symmetry/symmetry";
import type { PlannedJob } from "./jobs";
import { stepSeconds } from "./cost";
import { packValues, unpackValues } from "./memory";
import { gradientOf, INDEX, LOSSES } from "./names";
import type { Objective } from "./types";
import type { ProbeProcess } from "./worker/process";

/**
 * Opens the objective of a planned run: the mean over its first `batches` mini-batches, in the order of the data.
 * @param release is handed the process when the objective is disposed
 */
export async function openObjective(
  planned: PlannedJob,
  worker: ProbeProcess,
  batches: number,
  release: () => void,
): Promise<Objective> {
  const { job, layout, runs } = planned;
  const { variant } = runs[0]!;
  const fixed: WireTensors = { ...job.fixed };
  for (const s of job.layout) fixed[s.name] = { type: "float32", shape: s.shape, data: job.state[s.name]! };
  for (const [name, all] of Object.entries(job.numbers)) fixed[name] = { type: "float32", shape: [], data: all.slice(0, 1) };
  const model = await worker.open(job.step, fixed, job.provider);
  const rows = variant.batching === "rows" ? variant.batch : 1;
  const index = (k: number): WireTensors => ({
    [INDEX]: {
      type: "int64",
      shape: variant.batching === "rows" ? [rows] : [],
      data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(k * rows + i)),
    },
  });
  return {
    batches,
    // What crosses to the process and back costs as well: about 5 ns per entry and a millisecond per call.
    seconds: batches * (stepSeconds(variant.cost) + 1e-8 * variant.cost.parameters) + 1e-3,
    trainable: layout.parameters.flatMap((p) => p.entries.map((e) => e.name)),
    async evaluate(parameters: ParameterValues, batch?: number) {
      const state: WireTensors = {};
      for (const pack of layout.parameters) {
        const shape = pack.flat ? [pack.size] : pack.entries[0]!.shape;
        state[pack.name] = { type: "float32", shape, data: packValues(pack, parameters) };
      }
      const found = await model.run(
        batch === undefined
          ? Array.from({ length: batches }, (_, k) => ({ ...state, ...index(k) }))
          : [{ ...state, ...index(batch) }],
      );
      let loss = 0;
      const sums = new Map<string, Float64Array>();
      for (const out of found) {
        loss += Number(out[LOSSES]!.data[0]) / found.length;
        const gradient = Object.fromEntries(
          layout.parameters.map((pack) => [pack.name, out[gradientOf(pack.name)]!.data as Float32Array]),
        );
        for (const [name, values] of unpackValues(layout.parameters, gradient, (pack) => pack.name)) {
          const sum = sums.get(name);
          if (!sum) sums.set(name, values);
          else for (let i = 0; i < sum.length; i++) sum[i]! += values[i]!;
        }
      }
      for (const sum of sums.values()) for (let i = 0; i < sum.length; i++) sum[i]! /= found.length;
      return { loss, gradient: sums };
    },
    dispose: () => {
      model.close().then(release, () => worker.kill());
    },
  };
}
