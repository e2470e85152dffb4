/** @file Run by runner.test.ts in a process whose native library is broken: prints which runtime ran, and what it computed. */
import { join } from "node:path";
import { readOnnx, writeOnnx } from "../frontends/onnx";
import { createRunner } from "./index";
import { loadOrt } from "./ort";

async function main(): Promise<void> {
  const { graph } = readOnnx({ path: join("testFixtures", "zoo", "onnx", "MlpRelu.onnx") });
  const data = Float64Array.from({ length: 32 }, (_, i) => Math.fround(Math.sin(i)));
  const x = { type: "float32", shape: [8, 4], data } as const;
  const outputs = await createRunner({ kind: "in-process" }).run(writeOnnx(graph), new Map([["x", x]]));
  console.log(JSON.stringify({ cpu: (await loadOrt()).cpu, y: [...outputs.get("y")!.data] }));
}

void main();
