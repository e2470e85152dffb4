/**
 * @file Convolutions whose windows lie side by side (a kernel as large as its stride or as all of space, without padding) multiply each
 * window by one matrix. Where places of a window were channels before (units laid out as a picture, a pixel shuffle) they are written
 * as that product, in which such places are channels again; places of an image stay places.
 */
import { type Node, numberAttribute, numbersAttribute, stringAttribute } from "../graph/graph";
import { elementCount, int64Vector, type Shape, strides } from "../graph/tensor";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

/** Values that are looked at in search of where places come from. */
const MOST_VALUES = 256;

/** Writes such convolutions, and the pixel shuffles that made their places, with reshapes; true if there was one. */
export function multiplyPatches(w: Workspace): boolean {
  // By what they write: items that read what was replaced are made anew.
  const found = new Map<Value, Windows>();
  const makers = new Set<Value>();
  for (const item of w.itemsOf("Conv")) {
    const windows = windowsOf(item);
    if (!windows) continue;
    const origin = new Origin();
    const isOfChannels = windows.kernel.map(
      (size, k) => size > 1 && origin.isOfChannels(item.inputs[0]!, { axis: k + 2, inner: 1, size }),
    );
    if (!isOfChannels.includes(true)) continue;
    found.set(item.outputs[0]!, windows);
    for (const s of origin.makers) makers.add(s);
  }
  if (found.size === 0) return false;
  w.rewrite((item) => {
    const windows = found.get(item.outputs[0]!);
    if (windows) product(w, item, windows);
    else if (!makers.has(item.outputs[0]!)) w.add(item.node);
    else if (item.node.operator === "ConvTranspose") spread(w, item, spreadOf(item)!);
    else shuffle(w, item);
  });
  return true;
}

/** Windows of a convolution along each axis of space: their sizes, and how many there are. */
interface Windows {
  readonly kernel: readonly number[];
  readonly count: readonly number[];
}

/** The windows of a convolution without bias, where every place is in exactly one. */
function windowsOf({ node, inputs }: Item): Windows | undefined {
  if (node.operator !== "Conv" || node.domain !== "" || inputs.length !== 2 || numberAttribute(node, "group", 1) !== 1)
    return undefined;
  const space = inputs[0]!.type.shape?.slice(2);
  const kernel = inputs[1]!.type.shape?.slice(2);
  if (!space || !kernel || kernel.every((k) => k === 1) || !["", "NOTSET"].includes(stringAttribute(node, "auto_pad", "NOTSET")))
    return undefined;
  if (numbersAttribute(node, "pads")?.some((p) => p !== 0) || numbersAttribute(node, "dilations")?.some((d) => d !== 1))
    return undefined;
  const steps = numbersAttribute(node, "strides") ?? kernel.map(() => 1);
  const isTiled = kernel.every((k, i) => k === space[i] || (k === steps[i] && space[i]! % k === 0));
  return isTiled ? { kernel, count: kernel.map((k, i) => space[i]! / k) } : undefined;
}

/** The windows of a transposed convolution without bias, where every place is in exactly one. */
function spreadOf({ node, inputs }: Item): Windows | undefined {
  if (inputs.length !== 2 || numberAttribute(node, "group", 1) !== 1 || node.attributes["output_shape"] !== undefined)
    return undefined;
  const count = inputs[0]!.type.shape?.slice(2);
  const kernel = inputs[1]!.type.shape?.slice(2);
  if (!count || !kernel || !["", "NOTSET"].includes(stringAttribute(node, "auto_pad", "NOTSET"))) return undefined;
  const isZero = (name: string) => numbersAttribute(node, name)?.some((p) => p !== 0) !== true;
  if (!isZero("pads") || !isZero("output_padding") || numbersAttribute(node, "dilations")?.some((d) => d !== 1)) return undefined;
  const steps = numbersAttribute(node, "strides") ?? kernel.map(() => 1);
  return kernel.every((k, i) => k === steps[i] || count[i] === 1) ? { kernel, count } : undefined;
}

/** Digit floor(index / inner) mod size of the index along an axis. */
interface Digit {
  readonly axis: number;
  readonly inner: number;
  readonly size: number;
}

const BROADCASTING: ReadonlySet<string> = new Set(["Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu", "Where"]);
const ENTRYWISE: ReadonlySet<string> = new Set([
  "Abs",
  "Cast",
  "Celu",
  "Elu",
  "Erf",
  "Exp",
  "Gelu",
  "HardSigmoid",
  "HardSwish",
  "Identity",
  "LeakyRelu",
  "Mish",
  "Neg",
  "Relu",
  "Selu",
  "Sigmoid",
  "Sin",
  "Softplus",
  "Sqrt",
  "Tanh",
]);

/** Where digits of an axis come from. */
class Origin {
  /** What pixel shuffles and transposed convolutions write that made such places. */
  readonly makers = new Set<Value>();
  private readonly seen = new Set<string>();

  /** Whether a digit is one of channels that a linear layer or a convolution writes. */
  isOfChannels(value: Value, { axis, inner, size }: Digit): boolean {
    const item = value.writer;
    const key = `${value.id} ${axis} ${inner} ${size}`;
    if (!item || item.node.domain !== "" || this.seen.has(key) || this.seen.size >= MOST_VALUES) return false;
    this.seen.add(key);
    const { node, inputs } = item;
    const shape = value.type.shape;
    const [first] = inputs;
    const from = first?.type.shape;
    if (!shape || !first || !from) return false;
    if (BROADCASTING.has(node.operator) || ENTRYWISE.has(node.operator))
      return inputs.some((input) => {
        const missing = shape.length - (input.type.shape?.length ?? 0);
        return (
          input.type.shape?.[axis - missing] === shape[axis] && this.isOfChannels(input, { axis: axis - missing, inner, size })
        );
      });
    switch (node.operator) {
      case "MatMul":
        return axis === shape.length - 1 || this.isOfChannels(first, { axis: axis + from.length - shape.length, inner, size });
      case "Gather":
        return numberAttribute(node, "axis", 0) === 0 && first.writer === undefined && axis === shape.length - 1;
      case "Conv":
        return axis === 1;
      case "ConvTranspose": {
        if (axis === 1) return true;
        // A window's places are weights' own where windows lie side by side.
        const windows = spreadOf(item);
        if (!windows || axis < 2 || inner !== 1 || size !== windows.kernel[axis - 2]) return false;
        this.makers.add(value);
        return true;
      }
      case "Transpose":
        return this.isOfChannels(first, { axis: numbersAttribute(node, "perm")![axis]!, inner, size });
      case "Reshape": {
        const before = inReshaped(from, shape, { axis, inner, size });
        return before !== undefined && this.isOfChannels(first, before);
      }
      case "DepthToSpace": {
        const isOwn = axis > 1 && inner === 1 && size === numberAttribute(node, "blocksize", 1);
        // Any digit of the channels will do: who writes one writes all.
        if (!isOwn || !this.isOfChannels(first, { axis: 1, inner: 1, size: from[1]! })) return false;
        this.makers.add(value);
        return true;
      }
      default:
        return false;
    }
  }
}

/** The digit of the input of a reshape that a digit of its output is; undefined where it is part of several. */
function inReshaped(from: Shape, to: Shape, { axis, inner, size }: Digit): Digit | undefined {
  const step = strides(to)[axis]! * inner;
  const steps = strides(from);
  const at = from.findIndex((n, k) => steps[k]! <= step && step < steps[k]! * n);
  if (at < 0) return undefined;
  const own = step / steps[at]!;
  return Number.isInteger(own) && from[at]! % (own * size) === 0 ? { axis: at, inner: own, size } : undefined;
}

/** What adds the nodes that take the place of an item. */
function writer(
  w: Workspace,
  { node }: Item,
): (operator: string, inputs: readonly string[], attributes?: Node["attributes"]) => string {
  return (operator, inputs, attributes = {}) => {
    const output = w.fresh(`${node.name}/${operator}`);
    w.add({ name: output, operator, domain: "", inputs, outputs: [output], attributes, origin: node.origin });
    return w.resolve(output);
  };
}

/** x [N, C, n1 k1, n2 k2, ..] by W [O, C, k1, k2, ..] as [N, n1, n2, .., C k1 k2 ..] times [C k1 k2 .., O]. */
function product(w: Workspace, item: Item, { kernel, count }: Windows): void {
  const { node, inputs, outputs } = item;
  const [batch, channels] = inputs[0]!.type.shape as [number, number];
  const [units] = inputs[1]!.type.shape as [number];
  const add = writer(w, item);
  const to = (value: string, shape: Shape): string => add("Reshape", [value, w.addConstant(int64Vector(shape))]);
  const places = kernel.map((_, k) => k);
  const split = to(node.inputs[0]!, [batch, channels, ...places.flatMap((k) => [count[k]!, kernel[k]!])]);
  const perm = [0, ...places.map((k) => 2 + 2 * k), 1, ...places.map((k) => 3 + 2 * k)];
  const length = channels * elementCount(kernel);
  const rows = to(add("Transpose", [split], { perm }), [batch, ...count, length]);
  const columns = add("Transpose", [to(node.inputs[1]!, [units, length])], { perm: [1, 0] });
  const result = add("MatMul", [rows, columns]);
  const back = add("Transpose", [result], { perm: [0, kernel.length + 1, ...places.map((k) => 1 + k)] });
  w.replace(outputs[0]!.name, back);
}

/** x [N, C, n1, n2, ..] spread by W [C, O, k1, k2, ..] as [N, n1, n2, .., C] times [C, O k1 k2 ..], moved into places. */
function spread(w: Workspace, item: Item, { kernel, count }: Windows): void {
  const { node, inputs, outputs } = item;
  const [batch, channels] = inputs[0]!.type.shape as [number, number];
  const units = inputs[1]!.type.shape![1]!;
  const add = writer(w, item);
  const to = (value: string, shape: Shape): string => add("Reshape", [value, w.addConstant(int64Vector(shape))]);
  const places = kernel.map((_, k) => k);
  const rows = add("Transpose", [node.inputs[0]!], { perm: [0, ...places.map((k) => k + 2), 1] });
  const result = add("MatMul", [rows, to(node.inputs[1]!, [channels, units * elementCount(kernel)])]);
  const split = to(result, [batch, ...count, units, ...kernel]);
  const n = kernel.length;
  const moved = add("Transpose", [split], { perm: [0, n + 1, ...places.flatMap((k) => [k + 1, n + 2 + k])] });
  w.replace(outputs[0]!.name, to(moved, [batch, units, ...places.map((k) => count[k]! * kernel[k]!)]));
}

/** A pixel shuffle as a reshape, a transpose and a reshape. */
function shuffle(w: Workspace, item: Item): void {
  const { node, inputs, outputs } = item;
  const [batch, channels, height, width] = inputs[0]!.type.shape as [number, number, number, number];
  const b = numberAttribute(node, "blocksize", 1);
  const left = channels / (b * b);
  const isOuter = stringAttribute(node, "mode", "DCR") === "DCR";
  const add = writer(w, item);
  const to = (value: string, shape: Shape): string => add("Reshape", [value, w.addConstant(int64Vector(shape))]);
  const split = to(node.inputs[0]!, isOuter ? [batch, b, b, left, height, width] : [batch, left, b, b, height, width]);
  const moved = add("Transpose", [split], { perm: isOuter ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3] });
  w.replace(outputs[0]!.name, to(moved, [batch, left, height * b, width * b]));
}
