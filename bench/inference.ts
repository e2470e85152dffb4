/** @file Inference after loading: the steps that `analyse` takes without its numeric engines, separately and together. */
import { type OnnxModel, readOnnx } from "../analysis/frontends/onnx/index";
import type { Graph } from "../analysis/graph/graph";
import { normalForm } from "../analysis/lowering/normal-form";
import { analyse, equivarianceOf } from "../analysis/symmetry/analyse";
import { inferAxes } from "../analysis/symmetry/spaces/infer";
import { atomSpaces } from "../analysis/symmetry/spaces/spaces";
import { findUnits } from "../analysis/symmetry/units/scalings";
import { deepResnet } from "./deep-resnet";
import { type Row, type Section, timed } from "./report";
import { type Repeats, time } from "./timing";

/** Models of the fixtures, with the most milliseconds that all of inference should take. */
const MODELS = [
  { name: "resnet50", target: 5 },
  { name: "vit_b_16", target: 50 },
  { name: "densenet121", target: 50 },
  { name: "swin_t", target: 150 },
  { name: "shufflenet_v2_x1_0", target: undefined },
] as const;

const REPEATS: Repeats = { runs: 101, warmUp: 60, limit: 12_000 };

/** Reads a torchvision graph of the fixtures. */
export function fixture(name: string): OnnxModel {
  return readOnnx({ path: `testFixtures/models/${name}.onnx` });
}

/** The steps of inference on the fixtures' image models. */
export function inferenceSection(): Section {
  const rows = MODELS.flatMap(({ name, target }) => steps(name, fixture(name).graph, target));
  return { title: "Inference after loading (warm)", rows };
}

function steps(name: string, graph: Graph, target: number | undefined): Row[] {
  const { graph: normal } = normalForm(graph);
  const axesOf = (softPins: boolean) => inferAxes(normal, { equivariance: equivarianceOf, softPins });
  const [soft, hard] = [axesOf(true), axesOf(false)];
  const trainable = [...normal.parameters.values()].filter((p) => p.trainable).map((p) => p.name);
  const one = (what: string, work: () => unknown) => timed(`${name}  ${what}`, time(work, REPEATS));
  return [
    timed(
      `${name}`,
      time(() => analyse(graph, { numeric: false }), REPEATS),
      {
        note: `${graph.nodes.length} nodes, ${normal.nodes.length} in normal form`,
        ...(target === undefined ? {} : { target }),
      },
    ),
    one("  normal form", () => normalForm(graph)),
    one("  axes", () => axesOf(true)),
    one("  spaces", () => atomSpaces(normal, soft, trainable)),
    one("  units", () => findUnits(normal, hard, equivarianceOf)),
  ];
}

/** ResNets of one, four and sixteen times the depth: time per node should not grow. */
export function depthSection(): Section {
  const rows = [1, 4, 16].map((times): Row => {
    const graph = deepResnet(times);
    const timing = time(() => analyse(graph, { numeric: false }), { runs: 41, warmUp: 20, limit: 15_000 });
    const perNode = (1000 * timing.median) / graph.nodes.length;
    return {
      what: `ResNet-50 with ${times}x the blocks`,
      value: perNode,
      unit: "µs/node",
      best: (1000 * timing.best) / graph.nodes.length,
      runs: timing.runs,
      note: `${graph.nodes.length} nodes in ${timing.median.toFixed(1)} ms`,
    };
  });
  return { title: "Depth", rows };
}
