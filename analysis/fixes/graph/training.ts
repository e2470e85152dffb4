/** @file Fixes that change training as rewrites of the graph: for exported models, and for probes of models in source. */
import type { Node, Parameter } from "../../graph/graph";
import { elementCount, filled, tensor } from "../../graph/tensor";
import { anchorDeviation } from "../../dynamics/closed-forms/syre";
import { Random } from "../../numerics/random";
import { refuse } from "../source/draft";
import { GraphEdit } from "./edit";
import type { GraphRewrite, RewriteOptions } from "./rewrite";

/** Weights of linear maps with at least two axes that fit, in the order of the graph. */
function weights(edit: GraphEdit, { parameters }: RewriteOptions): Parameter[] {
  const found = [...edit.parameters.values()].filter(
    (p) => p.trainable && p.shape.length >= 2 && (parameters === undefined || parameters.includes(p.name)),
  );
  return found.length > 0 ? found : refuse("the model has no such weight");
}

/** Replaces a parameter in its readers by what is computed from it. */
function computed(edit: GraphEdit, name: string, make: (like: Node) => Node[]): void {
  const [first] = edit.readers(name);
  if (!first) refuse(`nothing reads ${name}`);
  const added = make(first);
  edit.rewire(name, added.at(-1)!.outputs[0]!);
  edit.nodes.unshift(...added);
}

/** The share of the rows' entries that W-asymmetric networks hold fixed, and the deviation of what they are held at. */
const SHARE = 0.125;
const HELD = 0.5;

/** W-asymmetric masks. */
export const asymmetricWeights: GraphRewrite = {
  id: "w-asymmetric",
  description: "Holds an eighth of each row of the weights at random values (arXiv 2405.20231).",
  outputs: "other",
  apply({ graph }, options) {
    const edit = new GraphEdit(graph);
    const random = new Random(options.seed);
    const chosen = weights(edit, options);
    for (const p of chosen) {
      const columns = elementCount(p.shape) / p.shape[0]!;
      const held = new Float64Array(elementCount(p.shape));
      for (let r = 0; r < p.shape[0]!; r++) {
        const order = Array.from({ length: columns }, (_, i) => [random.uniform(), i] as const).sort((a, b) => a[0] - b[0]);
        for (const [, i] of order.slice(0, Math.max(1, Math.round(SHARE * columns)))) held[r * columns + i] = 1;
      }
      const mask = edit.constant(`${p.name}/frozen`, tensor(p.shape, held, "bool"));
      const values = edit.constant(`${p.name}/values`, tensor(p.shape, random.normals(held.length, HELD), p.type));
      computed(edit, p.name, (like) => [edit.node("Where", [mask, values, p.name], like)]);
    }
    return { graph: edit.finish(), changes: chosen.map((p) => `${p.name}: an eighth of each row is held`) };
  },
};

/** syre as initialisers. */
export const syreAnchors: GraphRewrite = {
  id: "syre",
  description:
    "Writes each weight as a trained part plus a frozen random anchor (arXiv 2408.15495): a training graph whose decay pulls towards the anchors. " +
    "The outputs stay, up to rounding.",
  outputs: "start",
  apply({ graph }, options) {
    const edit = new GraphEdit(graph);
    const random = new Random(options.seed);
    const chosen = weights(edit, options);
    for (const p of chosen) {
      const size = elementCount(p.shape);
      const anchor = random.normals(size, anchorDeviation(size / p.shape[0]!));
      const name = edit.add(edit.fresh(`${p.name}/anchor`), p, p.shape, { data: anchor, frozen: true });
      if (!options.fresh)
        edit.set(
          p.name,
          edit.values(p.name).map((w, i) => w - anchor[i]!),
        );
      computed(edit, p.name, (like) => [edit.node("Add", [p.name, name], like)]);
    }
    return { graph: edit.finish(), changes: chosen.map((p) => `${p.name}: trained part plus anchor`) };
  },
};

/** DCS: products entry by entry. */
export const sparseProducts: GraphRewrite = {
  id: "dcs-sparse",
  description:
    "Writes weights as products u * v, entry by entry: decay on both is an L1 penalty (arXiv 2309.16932). The outputs stay.",
  outputs: "start",
  apply({ graph }, options) {
    const edit = new GraphEdit(graph);
    const chosen = weights(edit, options);
    for (const p of chosen) {
      const data = options.fresh ? undefined : edit.values(p.name);
      const root = data?.map((w) => Math.sqrt(Math.abs(w)));
      const [u, v] = ["u", "v"].map((n) => edit.fresh(`${p.name}/${n}`)) as [string, string];
      edit.add(u, p, p.shape, root ? { data: root } : {});
      edit.add(v, p, p.shape, root ? { data: root.map((r, i) => r * Math.sign(data![i]!)) } : {});
      const std = Math.sqrt(p.initialisation?.std ?? 1 / Math.sqrt((3 * elementCount(p.shape)) / p.shape[0]!));
      if (options.fresh) {
        for (const n of [u, v]) {
          edit.parameters.set(n, { ...edit.parameters.get(n)!, initialisation: { scheme: "normal_", std } });
        }
      }
      computed(edit, p.name, (like) => [edit.node("Mul", [u, v], like)]);
    }
    return { graph: edit.finish(), changes: chosen.map((p) => `${p.name} = u * v`) };
  },
};

/** Constants appended to vectors, and the stride of the lattice of images with what fills it. */
const APPENDED = 4;
const STRIDE = 2;
const FILL = 0.5;

/** Input expansion. */
export const expandedInput: GraphRewrite = {
  id: "input-expansion",
  description:
    "Vectors get four constant inputs whose weights start at zero, so that the outputs stay; in a dense layer they act like a bias that " +
    "learns faster. Images are put on a lattice of stride two whose gaps hold 0.5 (arXiv 2409.06402).",
  outputs: "start",
  apply({ graph }, options) {
    const edit = new GraphEdit(graph);
    const inputs = new Set(graph.inputs.map((i) => i.name));
    const first = graph.nodes.find(
      (n) =>
        inputs.has(n.inputs[0] ?? "") &&
        ["Gemm", "MatMul", "Conv"].includes(n.operator) &&
        edit.parameters.has(n.inputs[1] ?? ""),
    );
    if (!first) refuse("no layer reads the input as it is");
    const weight = edit.parameters.get(first.inputs[1]!)!;
    if (first.operator === "Conv") {
      lattice(edit, first);
      const larger = edit.finish();
      if (graph.outputs.some((o) => larger.types.get(o)?.shape?.join() !== graph.types.get(o)?.shape?.join())) {
        refuse("later layers need the image at its size");
      }
      const changes = [`${first.inputs[0]}: on a lattice of stride ${STRIDE} before ${weight.name}`];
      return { graph: larger, changes, outputs: "other" };
    }
    const width = graph.types.get(first.outputs[0]!)?.shape?.at(-1) ?? refuse(`the width of ${weight.name} is not known`);
    // The new columns as a matrix of their own: what the old ones hold stays where it is.
    const shape = [APPENDED, width];
    const more = options.fresh ? {} : { data: new Float64Array(APPENDED * width) };
    const columns = edit.add(edit.fresh(`${weight.name}/constants`), weight, shape, more);
    const ones = edit.constant("ones", filled([1, APPENDED], 1, weight.type));
    edit.between(first.outputs[0]!, (value) => {
      const product = edit.node("MatMul", [ones, columns], first);
      return [product, edit.node("Add", [value, product.outputs[0]!], first)];
    });
    return { graph: edit.finish(), changes: [`${weight.name}: ${APPENDED} constant inputs`] };
  },
};

/** A transposed convolution by one puts pixels apart; a constant image fills the gaps. */
function lattice(edit: GraphEdit, first: Node): void {
  const input = first.inputs[0]!;
  const [, channels, height, width] = edit.shape(input) ?? [];
  if (channels === undefined || height === undefined || width === undefined) refuse("the size of the image is not known");
  const type = edit.graph.inputs.find((i) => i.name === input)!.type;
  const fill = filled([1, 1, height * STRIDE, width * STRIDE], FILL, type);
  for (let i = 0; i < height; i++) for (let j = 0; j < width; j++) fill.data[i * STRIDE * width * STRIDE + j * STRIDE] = 0;
  const one = edit.constant("one", filled([channels, 1, 1, 1], 1, type));
  const gaps = edit.constant("gaps", fill);
  const apart = edit.node("ConvTranspose", [input, one], first, {
    kernel_shape: [1, 1],
    strides: [STRIDE, STRIDE],
    output_padding: [STRIDE - 1, STRIDE - 1],
    group: channels,
  });
  const filledIn = edit.node("Add", [apart.outputs[0]!, gaps], first);
  edit.before(first, apart, filledIn);
  edit.replace(first, { ...first, inputs: [filledIn.outputs[0]!, ...first.inputs.slice(1)] });
}

/** An activation between linear maps. */
export const activationBetween: GraphRewrite = {
  id: "activation",
  description: "Puts a ReLU behind a linear map that another one follows.",
  outputs: "other",
  apply({ graph }, options) {
    const edit = new GraphEdit(graph);
    const [name] = options.parameters ?? [];
    const reader = name === undefined ? undefined : contractionOf(edit, name);
    if (!reader) refuse("say which weight the activation follows");
    // Behind the bias, where one is added apart.
    const next = edit.soleReader(reader.outputs[0]!);
    const isBias = next?.operator === "Add" && next.inputs.some((i) => edit.parameters.get(i)?.shape.length === 1);
    const last = isBias ? next : reader;
    edit.between(last.outputs[0]!, (value) => [edit.node("Relu", [value], last)]);
    return { graph: edit.finish(), changes: [`${name}: a ReLU behind it`] };
  },
};

/** The node that multiplies by a weight, behind transposes of the weight. */
function contractionOf(edit: GraphEdit, weight: string): Node | undefined {
  let at = edit.soleReader(weight);
  for (let steps = 0; at && steps < 4; steps++) {
    if (["Gemm", "MatMul", "Conv", "ConvTranspose"].includes(at.operator)) return at;
    at = edit.soleReader(at.outputs[0]!);
  }
  return undefined;
}
