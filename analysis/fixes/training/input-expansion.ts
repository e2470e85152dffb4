/**
 * @file Input expansion (Zhang et al., arXiv 2409.06402): constants next to the input. For vectors appended to the features, for
 * images as a finer lattice whose gaps hold a constant.
 */
import { say } from "../../texts/say";
import { inferShapes } from "../../operators/inference";
import { type Draft, refuse } from "../source/draft";
import { argumentOf } from "../source/python-source";
import { constructorOf, insertAhead, nameOf, sequentialItem, type Site, soleLayer, soleUse, type TrainingRemedy } from "./remedy";

/** Constants appended to a vector, and their value. */
const APPENDED = 4;
const VALUE = "1.0";
/** Stride of the lattice on which the pixels of an image are put, and what fills it. */
const STRIDE = 2;
const FILL = "0.5";

/** Constant inputs. */
export const inputExpansion: TrainingRemedy = {
  id: "input-expansion",
  anywhere: true,
  description:
    "Vectors get four inputs that are always one, and the first layer takes them; images are put on a lattice of stride two whose gaps hold " +
    "0.5. In a dense layer this acts like a bias that learns five times as fast: an aid to optimisation, no removal of a symmetry " +
    "(arXiv 2409.06402). Images cost four times the time until pooling.",
  rules: ["input-expansion"],
  write(site, draft) {
    const weight = site.subject.parameters[0] ?? refuse("there is no first layer");
    const layer = soleLayer(site, weight);
    if (layer.kind === "Linear") return appended(site, draft, layer);
    if (layer.kind === "Conv2d") return lattice(site, draft, layer);
    return refuse(`${layer.kind} is neither Linear nor Conv2d`);
  },
};

function appended(site: Site, draft: Draft, layer: ReturnType<typeof soleLayer>): string {
  const call = constructorOf(site, layer);
  const size = argumentOf(call.node, 0, "in_features");
  if (!size || size === "starred") refuse("the number of inputs is not written out");
  const place = site.source.locate(call.top, size.value);
  const isPlain = ["Name", "Number", "Attribute", "Call", "Subscript", "Binary"].includes(size.value.kind);
  const isSum = size.value.kind !== "Binary" || ["+", "-", "*", "/", "//", "@"].includes(size.value.operator);
  if (isPlain && isSum) draft.insert(place.end, ` + ${APPENDED}`);
  else {
    draft.insert(place.start, "(");
    draft.insert(place.end, `) + ${APPENDED}`);
  }
  const nn = draft.module("torch.nn");
  const item = sequentialItem(site, call);
  if (item) {
    insertAhead(site, draft, item.items[item.index]!, `${nn}.ConstantPad1d((0, ${APPENDED}), ${VALUE})`);
  } else {
    const { argument } = soleUse(site, layer);
    draft.insert(argument.start, `${draft.module("torch.nn.functional")}.pad(`);
    draft.insert(argument.end, `, (0, ${APPENDED}), value=${VALUE})`);
  }
  return say`Append ${APPENDED} constant inputs to \`${nameOf(layer)}\` (acts like a faster bias)`;
}

function lattice(site: Site, draft: Draft, layer: ReturnType<typeof soleLayer>): string {
  if (!takesLargerImages(site)) refuse("later layers need the image at its size");
  const call = constructorOf(site, layer);
  const item = sequentialItem(site, call);
  if (item) refuse("the first layer is part of a Sequential");
  const { argument } = soleUse(site, layer);
  const [torch, functional] = ["torch", "torch.nn.functional"].map((m) => draft.module(m));
  const name = "on_finer_lattice";
  draft.define(
    name,
    `def ${name}(x: ${torch}.Tensor, stride: int = ${STRIDE}, fill: float = ${FILL}) -> ${torch}.Tensor:
    """Puts pixels \`stride\` apart and fills the gaps with a constant (arXiv 2409.06402)."""
    gaps = (0, stride - 1, 0, 0, 0, stride - 1)
    x = ${functional}.pad(x.unsqueeze(-1).unsqueeze(-3), gaps, value=fill)
    return x.flatten(-2).flatten(-3, -2)`,
    site.source.topAt(site.source.classNamed(site.subject.model.name)?.start ?? call.start) ?? call.top,
  );
  draft.insert(argument.start, `${name}(`);
  draft.insert(argument.end, ")");
  return say`Expand the image before \`${nameOf(layer)}\` by ${STRIDE} x ${STRIDE} with a constant`;
}

/** Whether the model makes the same outputs of an image on the finer lattice: nothing later counts on its size. */
function takesLargerImages({ subject: { model } }: Site): boolean {
  const { graph } = model;
  const inputs = graph.inputs.map((i) =>
    i.shape.length === 4 ? { ...i, shape: [i.shape[0]!, i.shape[1]!, i.shape[2]! * STRIDE, i.shape[3]! * STRIDE] } : i,
  );
  const { graph: larger, problems } = inferShapes({ ...graph, inputs, types: new Map() });
  return (
    problems.length === 0 &&
    graph.outputs.every((o) => larger.types.get(o)?.shape?.join() === (graph.types.get(o)?.shape?.join() ?? "?"))
  );
}
