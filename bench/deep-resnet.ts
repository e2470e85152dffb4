/** @file Networks of any size as Graphs, built in memory: residual ones like a ResNet-50, and others of one kind of node. */
import type { Graph, Node, Parameter } from "../analysis/graph/graph";
import type { Tensor, TensorType } from "../analysis/graph/tensor";
import { inferShapes } from "../analysis/operators/inference";

/** A ResNet-50 (bottleneck blocks 3, 4, 6, 3) with `times` as many blocks per stage, batch norm in training mode. */
export function deepResnet(times: number): Graph {
  const b = new Builder();
  let x = b.relu(b.batchNorm(b.convolution("x", 3, 64, 7, 2, "conv1"), 64, "bn1"));
  x = b.node("MaxPool", [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  let channels = 64;
  [3, 4, 6, 3].forEach((blocks, stage) => {
    const width = 64 << stage;
    for (let k = 0; k < blocks * times; k++) {
      const scope = `layer${stage + 1}.${k}`;
      const stride = stage > 0 && k === 0 ? 2 : 1;
      const shortcut =
        k > 0
          ? x
          : b.batchNorm(
              b.convolution(x, channels, 4 * width, 1, stride, `${scope}.downsample.0`),
              4 * width,
              `${scope}.downsample.1`,
            );
      let y = b.relu(b.batchNorm(b.convolution(x, channels, width, 1, 1, `${scope}.conv1`), width, `${scope}.bn1`));
      y = b.relu(b.batchNorm(b.convolution(y, width, width, 3, stride, `${scope}.conv2`), width, `${scope}.bn2`));
      y = b.batchNorm(b.convolution(y, width, 4 * width, 1, 1, `${scope}.conv3`), 4 * width, `${scope}.bn3`);
      x = b.relu(b.node("Add", [y, shortcut]));
      channels = 4 * width;
    }
  });
  const pooled = b.node("Flatten", [b.node("GlobalAveragePool", [x])], { axis: 1 });
  const y = b.node("Gemm", [pooled, b.parameter("fc.weight", [1000, channels]), b.parameter("fc.bias", [1000])], { transB: 1 });
  return b.build([2, 3, 224, 224], y);
}

/** Puts a network together. */
export class Builder {
  private readonly nodes: Node[] = [];
  private readonly parameters = new Map<string, Parameter>();
  private readonly constants = new Map<string, Tensor>();

  parameter(name: string, shape: readonly number[], isBuffer = false): string {
    const role = isBuffer ? { trainable: false, buffer: true } : { trainable: true };
    this.parameters.set(name, { name, type: "float32", shape, ...role, origin: { scope: name } });
    return name;
  }

  constant(name: string, value: Tensor): string {
    this.constants.set(name, value);
    return name;
  }

  node(operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}, outputs = 1): string {
    const name = `n${this.nodes.length}`;
    const written = Array.from({ length: outputs }, (_, i) => (i === 0 ? name : `${name}.${i}`));
    this.nodes.push({ name, operator, domain: "", inputs, outputs: written, attributes, origin: { node: name } });
    return name;
  }

  convolution(x: string, from: number, to: number, kernel: number, stride: number, scope: string): string {
    const weight = this.parameter(`${scope}.weight`, [to, from, kernel, kernel]);
    const pad = Math.floor(kernel / 2);
    return this.node("Conv", [x, weight], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    });
  }

  batchNorm(x: string, channels: number, scope: string, isTraining = true): string {
    const of = (name: string, isBuffer = false) => this.parameter(`${scope}.${name}`, [channels], isBuffer);
    const inputs = [x, of("weight"), of("bias"), of("running_mean", true), of("running_var", true)];
    return isTraining
      ? this.node("BatchNormalization", inputs, { training_mode: 1 }, 3)
      : this.node("BatchNormalization", inputs);
  }

  relu(x: string): string {
    return this.node("Relu", [x]);
  }

  build(input: readonly number[], output: string): Graph {
    const types = new Map<string, TensorType>([["x", { type: "float32", shape: input }]]);
    for (const p of this.parameters.values()) types.set(p.name, { type: p.type, shape: p.shape });
    return inferShapes({
      name: "network",
      opset: 17,
      inputs: [{ name: "x", type: "float32", shape: input }],
      outputs: [output],
      nodes: this.nodes,
      parameters: this.parameters,
      constants: this.constants,
      types,
    }).graph;
  }
}
