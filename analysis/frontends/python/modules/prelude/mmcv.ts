/** @file Stand-ins for the layers that mmcv and mmengine build from configurations. */

const mmcv = `
import torch
from torch import nn


class BaseModule(nn.Module):
    def __init__(self, init_cfg=None):
        super().__init__()
        self.init_cfg = init_cfg

    def init_weights(self):
        return None


class ModuleList(nn.ModuleList):
    def __init__(self, modules=None, init_cfg=None):
        super().__init__(modules)


class Sequential(nn.Sequential):
    def __init__(self, *args, init_cfg=None):
        super().__init__(*args)


_NORMS = {"BN": nn.BatchNorm2d, "BN1d": nn.BatchNorm1d, "BN2d": nn.BatchNorm2d, "BN3d": nn.BatchNorm3d,
          "SyncBN": nn.SyncBatchNorm, "LN": nn.LayerNorm, "IN": nn.InstanceNorm2d}
_ACTIVATIONS = {"ReLU": nn.ReLU, "LeakyReLU": nn.LeakyReLU, "PReLU": nn.PReLU, "ReLU6": nn.ReLU6, "ELU": nn.ELU,
                "Sigmoid": nn.Sigmoid, "Tanh": nn.Tanh, "GELU": nn.GELU, "SiLU": nn.SiLU, "Swish": nn.SiLU,
                "HSwish": nn.Hardswish, "HSigmoid": nn.Hardsigmoid}


def build_norm_layer(cfg, num_features, postfix=""):
    kind = cfg["type"]
    if kind == "GN":
        return "gn" + str(postfix), nn.GroupNorm(cfg.get("num_groups", 1), num_features)
    eps = cfg.get("eps", 1e-5)
    name = {"LN": "ln", "IN": "in"}.get(kind, "bn")
    return name + str(postfix), _NORMS[kind](num_features, eps=eps)


def build_conv_layer(cfg, *args, **kwargs):
    return nn.Conv2d(*args, **kwargs)


def build_activation_layer(cfg):
    kwargs = {k: v for k, v in cfg.items() if k not in ("type", "inplace")}
    return _ACTIVATIONS[cfg["type"]](**kwargs)


def build_padding_layer(cfg, *args, **kwargs):
    return nn.ZeroPad2d(*args)


class DropPath(nn.Module):
    def __init__(self, drop_prob=0.1):
        super().__init__()

    def forward(self, x):
        return x


def build_dropout(cfg, default_args=None):
    return DropPath()


class ConvModule(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias="auto",
                 conv_cfg=None, norm_cfg=None, act_cfg=dict(type="ReLU"), inplace=True, with_spectral_norm=False,
                 padding_mode="zeros", order=("conv", "norm", "act"), **kwargs):
        super().__init__()
        self.with_norm = norm_cfg is not None
        self.with_activation = act_cfg is not None
        if bias == "auto":
            bias = not self.with_norm
        self.order = order
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride=stride, padding=padding,
                              dilation=dilation, groups=groups, bias=bias)
        self.in_channels = in_channels
        self.out_channels = out_channels
        if self.with_norm:
            channels = out_channels if order.index("norm") > order.index("conv") else in_channels
            self.norm_name, norm = build_norm_layer(norm_cfg, channels)
            self.add_module(self.norm_name, norm)
        if self.with_activation:
            self.activate = build_activation_layer(act_cfg)

    def forward(self, x, activate=True, norm=True):
        for layer in self.order:
            if layer == "conv":
                x = self.conv(x)
            elif layer == "norm" and norm and self.with_norm:
                x = getattr(self, self.norm_name)(x)
            elif layer == "act" and activate and self.with_activation:
                x = self.activate(x)
        return x


class DepthwiseSeparableConvModule(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, norm_cfg=None,
                 act_cfg=dict(type="ReLU"), **kwargs):
        super().__init__()
        self.depthwise_conv = ConvModule(in_channels, in_channels, kernel_size, stride=stride, padding=padding,
                                         dilation=dilation, groups=in_channels, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.pointwise_conv = ConvModule(in_channels, out_channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)

    def forward(self, x):
        return self.pointwise_conv(self.depthwise_conv(x))


def constant_init(module, val, bias=0):
    nn.init.constant_(module.weight, val)


def kaiming_init(module, **kwargs):
    nn.init.kaiming_normal_(module.weight)


def trunc_normal_init(module, **kwargs):
    nn.init.trunc_normal_(module.weight)


class _Registry:
    def register_module(self, *args, **kwargs):
        return lambda cls: cls


MODELS = BACKBONES = HEADS = NECKS = _Registry()
`;

/** Text by module name. */
export const mmcvPrelude: Readonly<Record<string, string>> = {
  "mmcv.cnn": mmcv,
  "mmcv.cnn.bricks": mmcv,
  "mmcv.runner": mmcv,
  "mmengine.model": mmcv,
  "mmengine.registry": mmcv,
};
