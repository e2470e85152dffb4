/** @file Convolutions without bias and with explicit padding, and global pooling as reductions. */
import { type Node, numberAttribute, numbersAttribute, stringAttribute } from "../../graph/graph";
import { slidingWindows } from "../kernels/window";
import type { Lowering } from "../operator";
import { namedActivation } from "./activation";
import { input, perChannel, plus, range, reduce, reshape, scalarLike, shapeOf, transpose } from "./build";

type Attributes = Node["attributes"];

/** The attributes without those named, and with those given. */
function withAttributes(node: Node, drop: readonly string[], set: Attributes): Attributes {
  const kept = Object.entries(node.attributes).filter(([name]) => !drop.includes(name));
  return { ...Object.fromEntries(kept), ...set };
}

const ones = (n: number) => new Array<number>(n).fill(1);

/** What `auto_pad` means for a convolution at these sizes, as explicit pads; undefined where the pads are explicit already. */
function convolutionPads(node: Node, space: readonly number[], kernel: readonly number[]): number[] | undefined {
  const mode = stringAttribute(node, "auto_pad", "NOTSET");
  if (mode === "NOTSET" || mode === "") return undefined;
  const n = space.length;
  if (mode === "VALID") return new Array<number>(2 * n).fill(0);
  const strides = numbersAttribute(node, "strides") ?? ones(n);
  const dilations = numbersAttribute(node, "dilations") ?? ones(n);
  const pads = new Array<number>(2 * n).fill(0);
  for (let i = 0; i < n; i++) {
    const out = Math.ceil(space[i]! / strides[i]!);
    const total = Math.max(0, (out - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1 - space[i]!);
    const small = Math.floor(total / 2);
    pads[i] = mode === "SAME_LOWER" ? total - small : small;
    pads[i + n] = total - pads[i]!;
  }
  return pads;
}

/**
 * A Conv without bias, with explicit pads and no axis that its kernel covers as a whole, and the rank of its result; undefined
 * where shapes are not known.
 */
function plainConvolution(l: Lowering, x = input(l, 0)): { readonly value: string; readonly rank: number } | undefined {
  const w = input(l, 1);
  const shape = shapeOf(l, x);
  const kernel = shapeOf(l, w)?.slice(2);
  if (!x || !w || !shape || !kernel) return undefined;
  const pads = convolutionPads(l.node, shape.slice(2), kernel);
  const attributes = withAttributes(l.node, ["auto_pad", "activation", "activation_params"], pads ? { pads } : {});
  const whole = wholeAxis(attributes, shape.slice(2), kernel);
  const value = whole === undefined ? l.add("Conv", [x, w], attributes) : withoutAxis(l, x, w, attributes, whole);
  return { value, rank: shape.length };
}

function hasAutoPad(node: Node): boolean {
  return !["NOTSET", ""].includes(stringAttribute(node, "auto_pad", "NOTSET"));
}

/** The numbers that an attribute lists. */
function listed(attributes: Attributes, name: string): readonly number[] | undefined {
  const values = attributes[name];
  return Array.isArray(values) ? (values as readonly number[]) : undefined;
}

/**
 * The axis of space that the kernel covers as a whole, where there are others that it does not: entries of such an axis are
 * summed over as channels are, and need not be places (sentences as pictures of words by features).
 */
function wholeAxis(attributes: Attributes, space: readonly number[], kernel: readonly number[]): number | undefined {
  if ((attributes["group"] ?? 1) !== 1) return undefined;
  const n = space.length;
  const [pads, dilations] = [listed(attributes, "pads") ?? [], listed(attributes, "dilations") ?? []];
  const isWhole = (i: number): boolean => {
    const isBare = (pads[i] ?? 0) === 0 && (pads[n + i] ?? 0) === 0 && (dilations[i] ?? 1) === 1;
    return space[i]! > 1 && kernel[i] === space[i] && isBare;
  };
  const axes = range(0, n).filter(isWhole);
  return axes.length < n ? axes.at(-1) : undefined;
}

/** The convolution with an axis that its kernel covers as further channels. */
function withoutAxis(l: Lowering, x: string, w: string, attributes: Attributes, axis: number): string {
  const rank = shapeOf(l, x)!.length;
  const others = range(2, rank).filter((i) => i !== axis + 2);
  const joined = (value: string): string => {
    const shape = shapeOf(l, value)!;
    const to = [shape[0]!, shape[1]! * shape[axis + 2]!, ...others.map((i) => shape[i]!)];
    return reshape(l, transpose(l, value, [0, 1, axis + 2, ...others]), to);
  };
  const left = ["kernel_shape", "strides", "dilations", "pads"].flatMap((name) => {
    const values = listed(attributes, name);
    return values ? [[name, values.filter((_, i) => i % (rank - 2) !== axis)] as const] : [];
  });
  const y = l.add("Conv", [joined(x), joined(w)], { ...attributes, ...Object.fromEntries(left) });
  const shape = shapeOf(l, y)!;
  return reshape(l, y, [...shape.slice(0, axis + 2), 1, ...shape.slice(axis + 2)]);
}

/** Conv: bias-free with explicit pads, then Add of the bias as [C, 1, ..]; an axis that the kernel covers as channels. */
export function lowerConv(l: Lowering): readonly string[] | undefined {
  const bias = input(l, 2);
  const [space, kernel] = [shapeOf(l, input(l, 0))?.slice(2), shapeOf(l, input(l, 1))?.slice(2)];
  const isWhole = space !== undefined && kernel !== undefined && wholeAxis(l.node.attributes, space, kernel) !== undefined;
  if (bias === undefined && !hasAutoPad(l.node) && !isWhole) return undefined;
  const plain = plainConvolution(l);
  if (plain === undefined) return undefined;
  return [plus(l, plain.value, bias === undefined ? undefined : perChannel(l, bias, plain.rank))];
}

/** Conv of x, bias, a second summand and an activation. */
export function fusedConvolution(l: Lowering, x: string, z: string | undefined): string | undefined {
  const plain = plainConvolution(l, x);
  if (plain === undefined) return undefined;
  const bias = input(l, 2);
  const sum = plus(l, plain.value, bias === undefined ? undefined : perChannel(l, bias, plain.rank));
  return namedActivation(l, plus(l, sum, z));
}

/** com.microsoft FusedConv: Conv, bias, a second summand and an activation. */
export function lowerFusedConv(l: Lowering): readonly string[] | undefined {
  const x = input(l, 0);
  const y = x && fusedConvolution(l, x, input(l, 3));
  return y ? [y] : undefined;
}

/** What `auto_pad` or `output_shape` mean for a transposed convolution, as pads and output padding. */
function transposedPads(node: Node, space: readonly number[], kernel: readonly number[]): Attributes | undefined {
  const mode = stringAttribute(node, "auto_pad", "NOTSET");
  const wanted = numbersAttribute(node, "output_shape");
  const n = space.length;
  if (wanted === undefined) {
    if (mode === "NOTSET" || mode === "") return undefined;
    if (mode === "VALID") return { pads: new Array<number>(2 * n).fill(0) };
  }
  const strides = numbersAttribute(node, "strides") ?? ones(n);
  const dilations = numbersAttribute(node, "dilations") ?? ones(n);
  const extra = [...(numbersAttribute(node, "output_padding") ?? new Array<number>(n).fill(0))];
  const pads = new Array<number>(2 * n).fill(0);
  for (let i = 0; i < n; i++) {
    const target = wanted ? wanted[wanted.length - n + i]! : space[i]! * strides[i]!;
    let total = strides[i]! * (space[i]! - 1) + extra[i]! + (kernel[i]! - 1) * dilations[i]! + 1 - target;
    if (total < 0) {
      extra[i] = extra[i]! - total;
      total = 0;
    }
    const half = Math.floor(total / 2);
    pads[i] = mode === "SAME_UPPER" ? half : total - half;
    pads[i + n] = total - pads[i]!;
  }
  return { pads, output_padding: extra };
}

/** ConvTranspose: the same. */
export function lowerConvTranspose(l: Lowering): readonly string[] | undefined {
  const [x, w] = l.node.inputs;
  const bias = input(l, 2);
  const shape = shapeOf(l, x);
  const kernel = shapeOf(l, w)?.slice(2);
  if (!x || !w || !shape || !kernel) return undefined;
  const pads = transposedPads(l.node, shape.slice(2), kernel);
  if (bias === undefined && pads === undefined) return undefined;
  const value = l.add("ConvTranspose", [x, w], withAttributes(l.node, ["auto_pad", "output_shape"], pads ?? {}));
  return [plus(l, value, bias === undefined ? undefined : perChannel(l, bias, shape.length))];
}

function globalPool(l: Lowering, operator: string): readonly string[] | undefined {
  const [x] = l.node.inputs;
  const rank = shapeOf(l, x)?.length;
  if (!x || rank === undefined || rank < 3) return undefined;
  return [reduce(l, operator, x, range(2, rank))];
}

/** GlobalAveragePool: ReduceMean over the spatial axes. */
export function lowerGlobalAveragePool(l: Lowering): readonly string[] | undefined {
  return globalPool(l, "ReduceMean");
}

/** GlobalMaxPool: ReduceMax over the spatial axes. */
export function lowerGlobalMaxPool(l: Lowering): readonly string[] | undefined {
  return globalPool(l, "ReduceMax");
}

/** GlobalLpPool for p = 1 and 2. */
export function lowerGlobalLpPool(l: Lowering): readonly string[] | undefined {
  const p = numberAttribute(l.node, "p", 2);
  if (p === 1 || p === 2) return globalPool(l, p === 2 ? "ReduceL2" : "ReduceL1");
  const [x] = l.node.inputs;
  const rank = shapeOf(l, x)?.length;
  if (!x || rank === undefined || rank < 3) return undefined;
  const powers = l.add("Pow", [l.add("Abs", [x]), scalarLike(l, x, p)]);
  return [l.add("Pow", [reduce(l, "ReduceSum", powers, range(2, rank)), scalarLike(l, x, 1 / p)])];
}

/**
 * A pool of one sequence, or of one channel, over windows that lie side by side: a reduction over the entries of each window. Such
 * a pool runs along features more often than along places (maxout by pooling), and each window is a unit of its own then.
 */
function poolOfGroups(l: Lowering, operator: string): readonly string[] | undefined {
  const [x] = l.node.inputs;
  const shape = shapeOf(l, x);
  if (!x || shape?.length !== 3 || (shape[0] !== 1 && shape[1] !== 1) || (l.node.outputs.length > 1 && l.isUsed(1)))
    return undefined;
  const kernelShape = numbersAttribute(l.node, "kernel_shape");
  if (kernelShape?.length !== 1) return undefined;
  const windows = slidingWindows(l.node, shape.slice(2), kernelShape, numberAttribute(l.node, "ceil_mode", 0) === 1);
  const [kernel, count] = [windows.kernel[0]!, windows.output[0]!];
  const aligned = windows.strides[0] === kernel && windows.dilations[0] === 1 && kernel * count === shape[2];
  if (!aligned || windows.padBefore[0] !== 0 || windows.padAfter[0] !== 0) return undefined;
  return [reduce(l, operator, reshape(l, x, [shape[0]!, shape[1]!, count, kernel]), [3], 0)];
}

/** MaxPool over groups of features. */
export function lowerMaxPool(l: Lowering): readonly string[] | undefined {
  return poolOfGroups(l, "ReduceMax");
}

/** AveragePool over groups of features. */
export function lowerAveragePool(l: Lowering): readonly string[] | undefined {
  return poolOfGroups(l, "ReduceMean");
}
