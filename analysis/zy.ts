import { Loader } from "./service/models";
import { equivarianceOf } from "./symmetry/analyse";
import { inferAxes } from "./symmetry/spaces/infer";
import { makeTwin } from "./symmetry/twin/twin";
async function main() {
  const loaded = await new Loader({ className: "SmallCnn", inputShapes: [[1,1,28,28]], analysis: {numeric:false} }).load("/tmp/w/probe-mlp.py");
  const n = loaded.models[0]!.analysis.normal;
  const axes = inferAxes(n, { equivariance: equivarianceOf, softPins: false });
  for (const o of [{ size: (s: any) => s.size, kernels: "keep" as const }, { size: (s: any) => s.size }, {}]) {
    const t = makeTwin(n, axes, o);
    if ("reason" in t) console.log(t.reason); else { console.log(t.graph.inputs.map(i=>i.shape.join("x")).join(), t.notes.join("; ")); for (const p of n.parameters.values()) console.log(p.name, p.shape.join("x"), t.graph.parameters.get(p.name)?.shape.join("x")); }
  }
  console.log(n.nodes.map(x=>x.operator+" "+n.types.get(x.outputs[0]!)?.shape?.join("x")).join("\n"));
}
void main();
