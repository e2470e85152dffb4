/**
 * @file Convolutions in ONNX Runtime's blocked layout. On the CPU its convolutions of weights that are constants run on
 * channels in blocks (its domain com.microsoft.nchwc), a third to a half faster than those of weights that are inputs, which
 * unroll every window into a matrix first. Weights that train are inputs, so the layout is written down here: the data by
 * the runtime's own reordering, the weights by a transposition. The size of a block is the processor's and cannot be asked
 * for; it is found by computing one convolution both ways.
 */
import { writeOnnx } from "../frontends/onnx/write";
import { type Node, numberAttribute, numbersAttribute, stringAttribute } from "../graph/graph";
import { elementCount } from "../graph/tensor";
import { GraphBuilder } from "../operators/gradients/builder";
import { reshape, transpose } from "../operators/lower/build";
import { operatorTable } from "../operators/table";
import type { WireTensors } from "../runtime/protocol";
import type { ProbeProcess } from "./worker/process";

const DOMAIN = "com.microsoft.nchwc";
/** Blocks of 16 channels where vectors have 512 bits, of 8 elsewhere. */
const BLOCKS = [16, 8] as const;
/** Rounding of sums of 144 products of numbers up to 1 in float32, generously. */
const TOLERANCE = 1e-4;

/** Whether a node is a convolution that the blocked layout has: whole blocks of channels, no groups, more than one tap. */
function isBlockable(b: GraphBuilder, node: Node, block: number): boolean {
  if (node.operator !== "Conv" || node.domain !== "" || numberAttribute(node, "group", 1) !== 1) return false;
  if (stringAttribute(node, "auto_pad", "NOTSET") !== "NOTSET" || b.constant(node.inputs[1]!)) return false;
  const [x, w] = node.inputs.map((i) => b.type(i));
  if (x?.type !== "float32" || x.shape?.length !== 4 || w?.shape?.length !== 4) return false;
  const [outputs, inputs, ...kernel] = w.shape as [number, number, ...number[]];
  return outputs % block === 0 && inputs % block === 0 && elementCount(kernel) > 1;
}

/**
 * Replaces the convolutions of a graph by the same ones in the blocked layout, where they have that form.
 * @param block channels of a block, as {@link findBlock} found them
 */
export function blockConvolutions(b: GraphBuilder, block: number): void {
  const nodes = b.nodes.splice(0);
  for (const node of nodes) {
    if (isBlockable(b, node, block)) blocked(b, node, block);
    else b.nodes.push(node);
  }
}

/** Weights [O, C, kh, kw] go to [O/k, C/k, kh, kw, k of C, k of O], the data to [N, C/k, H, W, k] and back. */
function blocked(b: GraphBuilder, node: Node, block: number): void {
  const [x, w, bias] = node.inputs as [string, string, string | undefined];
  const [outputs, inputs, height, width] = b.type(w).shape as [number, number, number, number];
  b.origin = node.origin;
  const open = reshape(b, w, [outputs / block, block, inputs / block, block, height, width]);
  const weights = reshape(b, transpose(b, open, [0, 2, 4, 5, 3, 1]), [outputs, inputs, height, width]);
  const add = (operator: string, ins: readonly string[], output: string, attributes: Node["attributes"]) => {
    b.types.set(output, b.type(output).shape ? b.type(output) : b.type(ins[0]!));
    b.take({ name: b.fresh(operator), operator, domain: DOMAIN, inputs: ins, outputs: [output], attributes, origin: b.origin });
    return output;
  };
  const data = add("ReorderInput", [x], b.fresh("blocked"), { channels_last: 0 });
  const y = node.outputs[0]!;
  const inner = b.fresh("blocked");
  b.types.set(inner, b.type(y));
  add("Conv", [data, weights, ...(bias ? [bias] : [])], inner, {
    kernel_shape: [height, width],
    strides: numbersAttribute(node, "strides") ?? [1, 1],
    dilations: numbersAttribute(node, "dilations") ?? [1, 1],
    pads: numbersAttribute(node, "pads") ?? [0, 0, 0, 0],
    group: 1,
  });
  add("ReorderOutput", [inner], y, { channels: outputs, channels_last: 0 });
  b.origin = {};
}

/**
 * How many channels a block of ONNX Runtime's layout has on this processor; undefined where it has no such layout (another
 * build), or one that does not compute the same.
 */
export async function findBlock(worker: ProbeProcess): Promise<number | undefined> {
  for (const block of BLOCKS) {
    const { model, feeds } = comparison(block);
    try {
      const [found] = await worker.run(model, feeds, [{}], { name: "cpu", threads: 1 });
      const [plain, other] = [found!["plain"]!.data, found!["blocked"]!.data];
      if (plain.every((v, i) => Math.abs(Number(v) - Number(other[i])) <= TOLERANCE)) return block;
    } catch (error) {
      // The runtime refuses operators that it does not have; a process that died is another matter.
      if (!worker.alive) throw error;
    }
  }
  return undefined;
}

/** One convolution computed both ways. */
function comparison(block: number): { readonly model: Uint8Array; readonly feeds: WireTensors } {
  const empty = { nodes: [], parameters: new Map(), constants: new Map(), types: new Map() };
  const b = new GraphBuilder({ name: "comparison", opset: 21, inputs: [], outputs: [], ...empty }, operatorTable);
  const shapes = { x: [1, 16, 5, 6], w: [32, 16, 3, 3], bias: [32] };
  const feeds: Record<string, WireTensors[string]> = {};
  for (const [name, shape] of Object.entries(shapes)) {
    b.addInput(name, "float32", shape);
    const data = Float32Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(1 + 1.7 * i));
    feeds[name] = { type: "float32", shape, data };
  }
  const node = (output: string): Node => ({
    name: output,
    operator: "Conv",
    domain: "",
    inputs: ["x", "w", "bias"],
    outputs: [output],
    attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
    origin: {},
  });
  b.append(node("blocked"));
  blockConvolutions(b, block);
  b.append(node("plain"));
  return { model: writeOnnx(b.finish(["plain", "blocked"])), feeds };
}
