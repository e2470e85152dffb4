/** @file `batch-norm-folded`: an ONNX file whose batch norms were multiplied into convolutions, and whose symmetries differ. */
import { examplesFrom } from "./examples";
import { say } from "../texts/say";
import type { CheckedFile, CheckedModel } from "./checked";
import type { Detection, Rule } from "./rule";
import { values } from "./words";

/** Names that PyTorch's exporter gives to weights that it computed: folded ones. */
const COMPUTED = /^onnx::(Conv|ConvTranspose|Gemm|MatMul)_\d+$/;

/** Convolutions with weights that the exporter computed. */
export const batchNormFolded: Rule = {
  id: "batch-norm-folded",
  title: "Batch norms folded by the export",
  severity: "info",
  category: "opportunity",
  since: "0.1.0",
  onnxOnly: true,
  documentation: {
    what: "An ONNX file was exported in inference mode: batch norms are folded into the convolutions before them.",
    why:
      "With frozen statistics BN(W x) = (g / s) W x + (b - g m / s): the exporter multiplies the norm away. What acts on the trained " +
      "model's parameters (biases without effect, scale-invariant kernels, gains that trade scale) is not there in such a file, and " +
      "its biases do count. Names of the affected weights are lost, too.",
    whenNot:
      "For inference that is what you want. To see the symmetries that matter for training, export with " +
      "training=torch.onnx.TrainingMode.TRAINING and do_constant_folding=False, or let Noether read the Python source.",
    references: [
      "PyTorch issue 49226 on batch norm fusion in ONNX export",
      "Jacob et al. 2017, section 3.2 (folding; arXiv 1712.05877)",
    ],
  },
  examples: examplesFrom(
    `import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))


torch.onnx.export(Net().eval(), torch.zeros(1, 3, 8, 8), "model.onnx")
`,
    {
      fixed: [
        [
          'torch.onnx.export(Net().eval(), torch.zeros(1, 3, 8, 8), "model.onnx")',
          'mode = torch.onnx.TrainingMode.TRAINING\ntorch.onnx.export(Net().train(), torch.zeros(2, 3, 8, 8), "model.onnx", training=mode, do_constant_folding=False)',
        ],
      ],
      good: `import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return torch.relu(self.conv(x))


torch.onnx.export(Net().eval(), torch.zeros(1, 3, 8, 8), "model.onnx")
`,
    },
  ),
  claims: [
    {
      kind: "flat",
      says: "While it trains each of the 4 kernels has a direction that does not move the function, its size; folded it has none.",
      parameters: ["conv.weight"],
      bad: 4,
      good: 0,
    },
  ],
  check: (file) => (file.language === "onnx" ? file.models.flatMap((model) => detections(file, model)) : []),
};

function detections(file: CheckedFile, model: CheckedModel): Detection[] {
  const folded = model.graph.nodes.filter((n) => {
    const [, weight = "", bias = ""] = n.inputs;
    return (n.operator === "Conv" || n.operator === "ConvTranspose") && COMPUTED.test(weight) && COMPUTED.test(bias);
  });
  const [first] = folded;
  if (!first || model.graph.nodes.some((n) => n.operator === "BatchNormalization")) return [];
  const entries = folded.reduce((n, f) => n + (model.graph.parameters.get(f.inputs[2]!)?.shape[0] ?? 0), 0);
  return [
    {
      message: [
        say`batch norms are folded into ${folded.length} ${folded.length === 1 ? say`convolution` : say`convolutions`}: these are not the symmetries of training`,
        say`The biases of folded convolutions (${values(entries)}) hold what norms did. Export in training mode to see the model that trains.`,
      ].join("\n"),
      file: file.file,
      ...(first.origin.node === undefined ? {} : { node: first.origin.node }),
      related: [],
      symmetry: `lost: R+^n on ${folded.length} kernels before batch norm`,
    },
  ];
}
