/** @file Damage for fuzz tests: bytes of files, graphs and Python texts, changed at random in ways that tend to mean something. */
import type { Attribute, Graph, GraphInput, Node, Parameter } from "../../graph/graph";
import type { Tensor, TensorType } from "../../graph/tensor";
import type { Random } from "../../numerics/random";
import { operators } from "../../operators/table";

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.integer(list.length)]!;
}

/** Bytes that are likely to mean something in a protocol buffer: ends of ranges, small field tags. */
const TELLING = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x08, 0x0a, 0x12, 0x2a, 0x3a, 0x4a, 0x6a];

/** One of the files with a few bytes changed, lost, doubled or taken from another one. */
export function mutateBytes(random: Random, corpus: readonly Uint8Array[]): Uint8Array {
  let bytes = Uint8Array.from(pick(random, corpus));
  for (let edits = 1 + random.integer(4); edits > 0 && bytes.length > 0; edits--) {
    const at = random.integer(bytes.length);
    const length = random.integer(64);
    switch (random.integer(6)) {
      case 0:
        bytes[at] = bytes[at]! ^ (1 << random.integer(8));
        break;
      case 1:
        bytes[at] = pick(random, TELLING);
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      case 3:
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + length)]);
        break;
      case 4: {
        const other = pick(random, corpus);
        const from = random.integer(other.length);
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...other.subarray(from, from + length), ...bytes.subarray(at)]);
        break;
      }
      default:
        bytes = Uint8Array.from([...bytes.subarray(0, at + length), ...bytes.subarray(at)]);
    }
  }
  return bytes;
}

const SIZES = [0, 1, 2, 3, 7, 65_537, 2 ** 31, 2 ** 40, -1, Number.NaN];
const VALUES: readonly Attribute[] = [-1, 0, 2, 99, 1e300, Number.NaN, "x", [], [0], [-1, -1], [3, 1], ["a"], [1e18]];
const ENTRIES = [Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 1, 3, 1e9];

/** One of the graphs with a few nodes, shapes, attributes or edges changed; nearly always it makes no sense any more. */
export function mutateGraph(random: Random, corpus: readonly Graph[]): Graph {
  const graph = pick(random, corpus);
  const nodes: Node[] = [...graph.nodes];
  const inputs: GraphInput[] = [...graph.inputs];
  const parameters = new Map<string, Parameter>(graph.parameters);
  const constants = new Map<string, Tensor>(graph.constants);
  const types = new Map<string, TensorType>(graph.types);
  const resized = (shape: readonly number[]) => {
    const sizes = [...shape];
    if (sizes.length === 0 || random.integer(4) === 0) sizes.push(pick(random, SIZES));
    else sizes[random.integer(sizes.length)] = pick(random, SIZES);
    return sizes;
  };
  for (let edits = 1 + random.integer(4); edits > 0 && nodes.length > 0; edits--) {
    const at = random.integer(nodes.length);
    const node = nodes[at]!;
    const anyValue = () => pick(random, [...types.keys(), "absent", ""]);
    switch (random.integer(12)) {
      case 0: {
        const { name, domain } = pick(random, operators);
        nodes[at] = { ...node, operator: name, domain: domain ?? "" };
        break;
      }
      case 1: {
        const parameter = parameters.size === 0 ? undefined : pick(random, [...parameters.values()]);
        if (parameter === undefined) break;
        const shape = resized(parameter.shape);
        parameters.set(parameter.name, { ...parameter, shape });
        types.set(parameter.name, { type: parameter.type, shape });
        break;
      }
      case 2: {
        const name = pick(random, [...Object.keys(node.attributes), "axis", "axes", "perm", "group", "keepdims"]);
        nodes[at] = { ...node, attributes: { ...node.attributes, [name]: pick(random, VALUES) } };
        break;
      }
      case 3:
        if (node.inputs.length === 0) break;
        nodes[at] = { ...node, inputs: node.inputs.with(random.integer(node.inputs.length), anyValue()) };
        break;
      case 4:
        nodes.splice(at, 1);
        break;
      case 5:
        nodes[at] = { ...node, inputs: node.inputs.toSpliced(random.integer(node.inputs.length), 1) };
        break;
      case 6:
        nodes[at] = { ...node, inputs: [...node.inputs, anyValue()] };
        break;
      case 7: {
        const name = constants.size === 0 ? undefined : pick(random, [...constants.keys()]);
        const tensor = name === undefined ? undefined : constants.get(name);
        if (tensor) constants.set(name!, { ...tensor, data: tensor.data.map(() => pick(random, ENTRIES)) });
        break;
      }
      case 8: {
        const k = random.integer(inputs.length);
        const input = inputs[k];
        if (input === undefined) break;
        const shape = resized(input.shape);
        inputs[k] = { ...input, shape };
        types.set(input.name, { type: input.type, shape });
        break;
      }
      case 9:
        nodes[at] = { ...node, outputs: pick(random, [[...node.outputs, anyValue()], [], [anyValue()]]) };
        break;
      case 10:
        nodes.splice(random.integer(nodes.length), 0, ...nodes.splice(at, 1));
        break;
      default:
        nodes[at] = { ...node, operator: "Mystery" };
    }
  }
  return { ...graph, nodes, inputs, parameters, constants, types };
}

const WORDS = "self x y None 0 -1 2 3.5 10**12 [] () {} ''"
  .split(" ")
  .concat(
    [
      "import torch",
      "def f(x):",
      "class Net(nn.Module):",
      "return",
      "for i in range(3):",
      "while True:",
      "lambda x: x",
      "yield x",
    ],
    [
      "nn.Linear(4, 0)",
      "nn.Conv2d(3, 8, 3)",
      "torch.cat([x, x], 1)",
      "x.view(-1, 2 ** 40)",
      "*",
      "**",
      "@",
      ":",
      "\n",
      "    ",
      "(",
    ],
  );

/** One of the texts with pieces removed, doubled, swapped, or words put in their place. */
export function mutateText(random: Random, corpus: readonly string[]): string {
  let text = pick(random, corpus);
  for (let edits = 1 + random.integer(5); edits > 0; edits--) {
    const at = random.integer(text.length + 1);
    const end = Math.min(text.length, at + random.integer(40));
    const [before, piece, after] = [text.slice(0, at), text.slice(at, end), text.slice(end)];
    switch (random.integer(5)) {
      case 0:
        text = before + after;
        break;
      case 1:
        text = before + piece + piece + after;
        break;
      case 2:
        text = before + pick(random, WORDS) + after;
        break;
      case 3: {
        const lines = text.split("\n");
        const k = random.integer(lines.length);
        lines.splice(random.integer(lines.length), 0, ...lines.splice(k, 1 + random.integer(3)));
        text = lines.join("\n");
        break;
      }
      default:
        text = before + pick(random, WORDS) + piece + after;
    }
  }
  return text;
}
