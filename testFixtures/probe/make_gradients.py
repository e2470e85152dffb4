"""Makes gradients.json: operators with PyTorch's values and gradients, as ONNX nodes with attributes.

Run with a Python that has torch 1.13 and torchvision 0.14, in this folder:  python3 make_gradients.py
Each case: operator, attributes, opset, inputs (shape, data; `whole` for integers, `fixed` for what does not vary), the
gradient dy of the output, PyTorch's output y and its gradients of the varying inputs.
"""

import json
import math

import torch
import torchvision
from torch.nn import functional as F

torch.manual_seed(3)
torch.set_num_threads(1)
cases = []


def r(*shape, low=-1.5, high=1.5):
    """Distinct numbers, so that no maximum is tied."""
    n = math.prod(shape)
    t = low + (high - low) * (torch.randperm(n) + 0.5 + 0.3 * (torch.rand(n) - 0.5)) / n
    return torch.round(t.double() * 1e5).div(1e5).reshape(shape)


def case(operator, function, inputs, attributes=None, constants=(), opset=21, output=0, note=""):
    """constants: positions of inputs that are fed to the node but do not vary."""
    moving = [t.clone().requires_grad_() if t is not None and t.is_floating_point() and i not in constants else t for i, t in enumerate(inputs)]
    y = function(*moving)
    dy = r(*y.shape)
    y.backward(dy)

    def flat(t):
        return [float(f"{v:.9g}") for v in t.detach().flatten().tolist()]

    cases.append(
        {
            "operator": operator,
            "attributes": attributes or {},
            "opset": opset,
            "output": output,
            "note": note,
            "inputs": [
                None if t is None else {"shape": list(t.shape), "data": flat(t), **({} if t.is_floating_point() else {"whole": True}), **({"fixed": True} if i in constants else {})}
                for i, t in enumerate(inputs)
            ],
            "dy": flat(dy),
            "y": flat(y),
            "gradients": {str(i): flat(t.grad) for i, t in enumerate(moving) if t is not None and t.requires_grad},
        }
    )


def whole(*values, shape=None):
    t = torch.tensor(values)
    return t if shape is None else t.reshape(shape)


# Convolutions.
for x, w, kw in [
    ((2, 3, 6, 5), (4, 3, 3, 3), dict(padding=1)),
    ((2, 4, 7, 6), (4, 2, 3, 3), dict(stride=2, padding=1, groups=2)),
    ((1, 3, 8, 8), (2, 3, 3, 3), dict(dilation=2)),
    ((2, 4, 6, 6), (4, 1, 3, 3), dict(padding=1, groups=4)),
    ((2, 3, 5, 5), (4, 3, 1, 1), dict()),
]:
    pad, stride, dilation, groups = (kw.get(k, d) for k, d in (("padding", 0), ("stride", 1), ("dilation", 1), ("groups", 1)))
    attributes = {"pads": [pad] * 4, "strides": [stride] * 2, "dilations": [dilation] * 2, "group": groups}
    case("Conv", lambda a, b, c, kw=kw: F.conv2d(a, b, c, **kw), [r(*x), r(*w), r(w[0])], attributes)
case("Conv", lambda a, b, c: F.conv1d(a, b, c, padding=1), [r(2, 3, 7), r(4, 3, 3), r(4)], {"pads": [1, 1]})
case("Conv", lambda a, b, c: F.conv3d(a, b, c), [r(1, 2, 3, 4, 3), r(2, 2, 2, 2, 2), r(2)])
case(
    "ConvTranspose", lambda a, b, c: F.conv_transpose2d(a, b, c, stride=2, padding=1, output_padding=1), [r(2, 3, 3, 4), r(3, 2, 3, 3), r(2)],
    {"strides": [2, 2], "pads": [1] * 4, "output_padding": [1, 1]},
)
# Pools.
case("MaxPool", lambda a: F.max_pool2d(a, 2), [r(2, 3, 4, 6)], {"kernel_shape": [2, 2], "strides": [2, 2]})
case("MaxPool", lambda a: F.max_pool2d(a, 3, 2, 1), [r(1, 2, 7, 7)], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4})
tied = torch.zeros(1, 2, 4, 4, dtype=torch.double)
case("MaxPool", lambda a: F.max_pool2d(a, 2), [tied], {"kernel_shape": [2, 2], "strides": [2, 2]}, note="all entries equal")
case("MaxPool", lambda a: F.max_pool2d(a, 3, 2, 1), [torch.zeros(1, 2, 5, 5, dtype=torch.double)], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}, note="all entries equal")
case("AveragePool", lambda a: F.avg_pool2d(a, 2), [r(2, 3, 4, 6)], {"kernel_shape": [2, 2], "strides": [2, 2]})
case("AveragePool", lambda a: F.avg_pool2d(a, 3, 1, 1, count_include_pad=False), [r(1, 2, 5, 5)], {"kernel_shape": [3, 3], "pads": [1] * 4})
case("AveragePool", lambda a: F.avg_pool2d(a, 3, 2, 1), [r(1, 2, 7, 7)], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4, "count_include_pad": 1})
case("LpPool", lambda a: F.lp_pool2d(a, 3, 2, stride=1), [r(1, 2, 5, 4, low=0.2, high=2)], {"p": 3, "kernel_shape": [2, 2]})
case("GlobalAveragePool", lambda a: a.mean((2, 3), keepdim=True), [r(2, 3, 4, 5)])
case("GlobalMaxPool", lambda a: F.adaptive_max_pool2d(a, 1), [r(2, 3, 4, 5)])
case(
    "MaxUnpool", lambda a, i: F.max_unpool2d(a, i, 2), [r(1, 1, 2, 2), whole(5, 7, 13, 15, shape=(1, 1, 2, 2))],
    {"kernel_shape": [2, 2], "strides": [2, 2]}, opset=11,
)
# Normalisations.
zeros, ones = torch.zeros(3).double(), torch.ones(3).double()
case("BatchNormalization", lambda a, g, b, m, v: F.batch_norm(a, m.clone(), v.clone(), g, b, True), [r(4, 3, 3, 2), r(3), r(3), zeros, ones], {"training_mode": 1, "momentum": 0.0}, (3, 4))
case("BatchNormalization", lambda a, g, b, m, v: F.batch_norm(a, m, v, g, b, False), [r(4, 3, 3, 2), r(3), r(3), r(3), r(3, low=0.5, high=2)], {}, (3, 4))
case("LayerNormalization", lambda a, g, b: F.layer_norm(a, (5,), g, b), [r(2, 3, 5), r(5), r(5)])
case("GroupNormalization", lambda a, g, b: F.group_norm(a, 2, g, b), [r(2, 4, 3, 2), r(4), r(4)], {"num_groups": 2})
case("InstanceNormalization", lambda a, g, b: F.instance_norm(a, weight=g, bias=b), [r(2, 3, 4, 3), r(3), r(3)])
case("LRN", lambda a: F.local_response_norm(a, 3, 0.7, 0.6, 1.5), [r(2, 5, 3, 2)], {"size": 3, "alpha": 0.7, "beta": 0.6, "bias": 1.5})
case("LpNormalization", lambda a: F.normalize(a, dim=1), [r(3, 4)], {"axis": 1, "p": 2})
# Activations.
for name, function, attributes in [
    ("Relu", F.relu, {}), ("LeakyRelu", lambda a: F.leaky_relu(a, 0.2), {"alpha": 0.2}), ("Elu", F.elu, {}), ("Celu", lambda a: F.celu(a, 0.7), {"alpha": 0.7}),
    ("Selu", F.selu, {}), ("Gelu", F.gelu, {}), ("Gelu", lambda a: F.gelu(a, approximate="tanh"), {"approximate": "tanh"}), ("Mish", F.mish, {}),
    ("HardSwish", F.hardswish, {}), ("HardSigmoid", F.hardsigmoid, {"alpha": 1 / 6}), ("Softplus", F.softplus, {}), ("Softsign", F.softsign, {}),
    ("Sigmoid", torch.sigmoid, {}), ("Tanh", torch.tanh, {}), ("Erf", torch.erf, {}), ("Softmax", lambda a: F.softmax(a, -1), {}),
    ("LogSoftmax", lambda a: F.log_softmax(a, -1), {}), ("Abs", torch.abs, {}), ("Exp", torch.exp, {}),
]:
    case(name, function, [r(3, 5, low=-3.7, high=3.7)], attributes)
case("PRelu", lambda a, s: F.prelu(a, s), [r(2, 3, 4), r(3)], note="slopes as [C]")
case("Clip", lambda a, low, high: a.clamp(-0.5, 0.7), [r(3, 4), torch.tensor(-0.5).double(), torch.tensor(0.7).double()], {}, (1, 2))
# Products.
case("MatMul", torch.matmul, [r(2, 1, 3, 4), r(3, 4, 5)])
case("Gemm", lambda a, b, c: 0.7 * a.T @ b.T + 1.3 * c, [r(4, 3), r(2, 4), r(2)], {"transA": 1, "transB": 1, "alpha": 0.7, "beta": 1.3})
case("Einsum", lambda a, b: torch.einsum("bhqd,bhkd->bhqk", a, b), [r(2, 2, 3, 4), r(2, 2, 5, 4)], {"equation": "bhqd,bhkd->bhqk"})
# Reductions.
for name, function, low in [
    ("ReduceSum", lambda a: a.sum(1), -1.5), ("ReduceMean", lambda a: a.mean(1), -1.5), ("ReduceMax", lambda a: a.amax(1), -1.5), ("ReduceMin", lambda a: a.amin(1), -1.5),
    ("ReduceProd", lambda a: a.prod(1), 0.3), ("ReduceL1", lambda a: a.abs().sum(1), -1.5), ("ReduceL2", lambda a: a.norm(dim=1), -1.5),
    ("ReduceLogSumExp", lambda a: a.logsumexp(1), -1.5), ("ReduceSumSquare", lambda a: (a * a).sum(1), -1.5),
]:
    case(name, lambda a, axes, f=function: f(a), [r(2, 4, 3, low=low), whole(1)], {"keepdims": 0})
products = torch.tensor([[0.0, 2, 3], [0, 0, 3], [1, 2, -3]]).double()
case("ReduceProd", lambda a, axes: a.prod(1), [products, whole(1)], {"keepdims": 0}, note="with zeros")
case("CumSum", lambda a, axis: a.cumsum(1), [r(3, 4), torch.tensor(1)])
case("TopK", lambda a, k: a.topk(2).values, [r(3, 6), whole(2)])
# Movement.
case("Gather", lambda t, i: F.embedding(i, t), [r(6, 3), whole(1, 4, 1, 0, shape=(2, 2))], note="embedding with a row twice")
case("GatherElements", lambda a, i: a.gather(1, i), [r(2, 4), whole(1, 1, 0, 3, shape=(2, 2))], {"axis": 1})
case("ScatterElements", lambda a, i, u: a.scatter_add(1, i, u), [r(2, 4), whole(1, 1, 0, 3, shape=(2, 2)), r(2, 2)], {"axis": 1, "reduction": "add"})
case("ScatterElements", lambda a, i, u: a.scatter(1, i, u), [r(2, 4), whole(1, 2, 0, 3, shape=(2, 2)), r(2, 2)], {"axis": 1})
case("Slice", lambda a, *_: a[:, 1:7:2], [r(3, 8), whole(1), whole(7), whole(1), whole(2)])
case("Pad", lambda a, p: F.pad(a, (2, 1), "reflect"), [r(2, 3, 5), whole(0, 0, 2, 0, 0, 1)], {"mode": "reflect"})
case("Pad", lambda a, p: F.pad(a, (1, 2), "replicate"), [r(2, 3, 5), whole(0, 0, 1, 0, 0, 2)], {"mode": "edge"})
case("Tile", lambda a, n: a.repeat(2, 3), [r(2, 3), whole(2, 3)])
case("DepthToSpace", lambda a: F.pixel_shuffle(a, 2), [r(1, 8, 2, 3)], {"blocksize": 2, "mode": "CRD"})
case("Col2Im", lambda a, i, b: F.fold(a, (4, 5), (2, 2), stride=(1, 2), padding=(1, 0)), [r(1, 8, 10), whole(4, 5), whole(2, 2)], {"strides": [1, 2], "pads": [1, 0, 1, 0]})
case("Resize", lambda a, _r, _s, s: F.interpolate(a, (6, 7), mode="bilinear"), [r(1, 2, 4, 5), None, None, whole(1, 2, 6, 7)], {"mode": "linear", "coordinate_transformation_mode": "half_pixel"})
case("Resize", lambda a, _r, _s, s: F.interpolate(a, (8, 10), mode="bicubic"), [r(1, 2, 4, 5), None, None, whole(1, 2, 8, 10)], {"mode": "cubic", "coordinate_transformation_mode": "half_pixel", "cubic_coeff_a": -0.75})
case("Resize", lambda a, _r, _s, s: F.interpolate(a, scale_factor=2), [r(1, 2, 4, 5), None, None, whole(1, 2, 8, 10)], {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"})
# Sampling.
for mode, onnx in [("bilinear", "linear"), ("bicubic", "cubic"), ("nearest", "nearest")]:
    for padding in ["zeros", "border", "reflection"]:
        for align in [False, True]:
            if mode == "nearest" and align:
                continue
            case(
                "GridSample", lambda a, g, m=mode, p=padding, c=align: F.grid_sample(a, g, m, p, c), [r(1, 2, 4, 5), r(1, 3, 2, 2, low=-1.3, high=1.3)],
                {"mode": onnx, "padding_mode": padding, "align_corners": int(align)},
            )
case("GridSample", lambda a, g: F.grid_sample(a, g, align_corners=False), [r(1, 2, 3, 2, 4), r(1, 2, 2, 2, 3, low=-1.2, high=1.2)], {"mode": "linear"}, note="volumes")
case("AffineGrid", lambda t, s: F.affine_grid(t, (2, 1, 3, 4), align_corners=True), [r(2, 2, 3), whole(2, 1, 3, 4)], {"align_corners": 1})
boxes = torch.tensor([[0.3, 0.2, 3.1, 3.6], [1.13, 0.9, 4.27, 2.7]]).double()
case(
    "RoiAlign", lambda a, b, i: torchvision.ops.roi_align(a, torch.cat([i[:, None].double(), b], 1), 2, 0.9, 2, True), [r(2, 2, 4, 5), boxes, whole(1, 0)],
    {"output_height": 2, "output_width": 2, "sampling_ratio": 2, "spatial_scale": 0.9}, (1,), 16,
)
case(
    "DeformConv", lambda a, w, o, b, m: torchvision.ops.deform_conv2d(a, o, w, b, (2, 1), (1, 0), (1, 1), m),
    [r(1, 4, 5, 5), r(4, 2, 2, 2), r(1, 16, 3, 4, low=-0.9, high=0.9), r(4), r(1, 8, 3, 4)],
    {"group": 2, "offset_group": 2, "strides": [2, 1], "pads": [1, 0, 1, 0]},
)
# Recurrent cells: gates in PyTorch's order, put into ONNX's.
def recurrent(operator, gates, order, function):
    hidden, size, steps, batch = 3, 4, 3, 2

    def run(x, w, u, b, *_):
        def back(m):
            parts = m.reshape(gates, hidden, -1)
            out = torch.empty_like(parts)
            for place, k in enumerate(order):
                out[k] = parts[place]
            return out.reshape(gates * hidden, -1)

        zero = torch.zeros(1, batch, hidden).double()
        weights = [back(w[0]), back(u[0]), back(b[0, : gates * hidden]).flatten(), back(b[0, gates * hidden :]).flatten()]
        start = (zero, zero) if operator == "LSTM" else zero
        y = function(x, start, weights, True, 1, 0.0, True, False, False)[0]
        return y.unsqueeze(1)

    attributes = {"hidden_size": hidden, **({"linear_before_reset": 1} if operator == "GRU" else {})}
    case(operator, run, [r(steps, batch, size), r(1, gates * hidden, size), r(1, gates * hidden, hidden), r(1, 2 * gates * hidden)], attributes)


recurrent("RNN", 1, [0], torch._VF.rnn_tanh)
recurrent("GRU", 3, [1, 0, 2], torch._VF.gru)
recurrent("LSTM", 4, [0, 3, 1, 2], torch._VF.lstm)
# Losses.
case("SoftmaxCrossEntropyLoss", lambda a, t: F.cross_entropy(a, t), [r(3, 4), whole(1, 3, 0)])
case("SoftmaxCrossEntropyLoss", lambda a, t, w: F.cross_entropy(a, t, w), [r(3, 4), whole(1, 3, 0), r(4, low=0.5)], {}, (2,))
case("NegativeLogLikelihoodLoss", lambda a, t: F.nll_loss(a, t), [r(3, 4), whole(1, 3, 0)])

with open("gradients.json", "w") as f:
    json.dump(cases, f, separators=(",", ":"))
print(len(cases), "cases")
