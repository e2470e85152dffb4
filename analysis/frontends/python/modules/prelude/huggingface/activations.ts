/** @file Stand-in for `transformers.activations`: activations, and the table of them by name. */

/** Activation modules and `ACT2FN`. */
export const activations = `
import math
import torch
from torch import nn
import torch.nn.functional as F


class NewGELUActivation(nn.Module):
    def forward(self, input):
        return F.gelu(input, approximate="tanh")


class GELUActivation(nn.Module):
    def __init__(self, use_gelu_python=False):
        super().__init__()

    def forward(self, input):
        return F.gelu(input)


class PytorchGELUTanh(NewGELUActivation):
    pass


GELUTanh = PytorchGELUTanh


class FastGELUActivation(NewGELUActivation):
    pass


class QuickGELUActivation(nn.Module):
    def forward(self, input):
        return input * torch.sigmoid(1.702 * input)


class SiLUActivation(nn.Module):
    def forward(self, input):
        return F.silu(input)


class ReLUSquaredActivation(nn.Module):
    def forward(self, input):
        return torch.square(F.relu(input))


class LinearActivation(nn.Module):
    def forward(self, input):
        return input


class ClassInstantier(dict):
    pass


ACT2CLS = {
    "gelu": GELUActivation,
    "gelu_10": GELUActivation,
    "gelu_fast": FastGELUActivation,
    "gelu_new": NewGELUActivation,
    "gelu_python": GELUActivation,
    "gelu_pytorch_tanh": PytorchGELUTanh,
    "gelu_accurate": NewGELUActivation,
    "linear": LinearActivation,
    "mish": nn.Mish,
    "quick_gelu": QuickGELUActivation,
    "relu": nn.ReLU,
    "relu2": ReLUSquaredActivation,
    "relu6": nn.ReLU6,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "tanh": nn.Tanh,
    "prelu": nn.PReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
}


class _Table:
    def __getitem__(self, key):
        return ACT2CLS[key]()

    def __contains__(self, key):
        return key in ACT2CLS

    def keys(self):
        return ACT2CLS.keys()

    def get(self, key, default=None):
        return ACT2CLS[key]() if key in ACT2CLS else default


ACT2FN = _Table()


def get_activation(name):
    return ACT2FN[name]


gelu = get_activation("gelu")
gelu_new = get_activation("gelu_new")
silu = get_activation("silu")
quick_gelu = get_activation("quick_gelu")
`;
