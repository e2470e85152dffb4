import { Loader } from "./service/models";
import { Prober } from "./probe/probe";
import { runProbe } from "./service/probe/session";
async function main() {
  const [file, cls, shape, steps] = process.argv.slice(2);
  const loaded = await new Loader({ ...(cls && cls !== "-" ? { className: cls } : {}), ...(shape && shape !== "-" ? { inputShapes: [shape.split("x").map(Number)] } : {}) }).load(file!);
  const m = loaded.models[0]!;
  const prober = new Prober();
  let t = performance.now();
  const cpu = process.cpuUsage();
  const record = await runProbe({ model: m }, { steps: Number(steps ?? 300), replicas: 4, training: { weightDecay: 0.01, learningRate: 0.1 } }, { prober, onEvent: e => { if (e.kind!=="points" && e.kind!=="measures") console.log((performance.now()-t).toFixed(0), e.kind, (e as any).text ?? ""); } });
  console.log("total", (performance.now()-t).toFixed(0), "own cpu", (process.cpuUsage(cpu).user/1000).toFixed(0), record.seconds, record.device.device, record.device.processes, record.parameters);
  const s = record.settings[0]!;
  console.log(JSON.stringify(s.landscape, null, 1));
  for (const x of s.symmetries) console.log(x.symmetry.group, x.symmetry.kind, x.symmetry.parameters[0], x.degree?.value?.toFixed(2), x.collapse && JSON.stringify(x.collapse));
  console.log(JSON.stringify(record).length, record.notes);
  prober.dispose();
}
void main();
