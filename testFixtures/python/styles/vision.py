"""Image models in the manner of model collections: factories, registries, patterns, norm and activation layers as arguments."""
from functools import partial

import torch
import torch.nn as nn
from einops import rearrange, reduce, repeat
from einops.layers.torch import Rearrange

from timm.layers import DropPath, Mlp, to_2tuple, trunc_normal_
from timm.models import build_model_with_cfg, register_model


def exists(v):
    return v is not None


def default(v, d):
    return v if exists(v) else d


class SqueezeGate(nn.Module):
    def __init__(self, channels, ratio=4, act_layer=nn.ReLU, gate_layer=nn.Sigmoid):
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // ratio, 1)
        self.act = act_layer(inplace=True)
        self.expand = nn.Conv2d(channels // ratio, channels, 1)
        self.gate = gate_layer()

    def forward(self, x):
        s = x.mean((2, 3), keepdim=True)
        return x * self.gate(self.expand(self.act(self.reduce(s))))


class MixerBlock(nn.Module):
    def __init__(self, dim, drop_path=0.0, norm_layer=nn.BatchNorm2d, act_layer=nn.GELU, se=True, layer_scale=1e-4):
        super().__init__()
        self.token = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
        self.norm = norm_layer(dim)
        self.se = SqueezeGate(dim) if se else nn.Identity()
        self.mlp = Mlp(dim, 2 * dim, act_layer=act_layer, use_conv=True)
        self.gamma = nn.Parameter(layer_scale * torch.ones(dim, 1, 1)) if layer_scale else None
        self.drop_path = DropPath(drop_path) if drop_path > 0.0 else nn.Identity()

    def forward(self, x):
        y = self.mlp(self.se(self.norm(self.token(x))))
        if self.gamma is not None:
            y = y * self.gamma
        return x + self.drop_path(y)


class Mixer(nn.Module):
    def __init__(self, in_chans=3, num_classes=10, depths=(2, 2), dims=(16, 32), drop_path_rate=0.1, norm_layer=None, act_layer=None, **kwargs):
        super().__init__()
        norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=1e-3)
        act_layer = act_layer or nn.GELU
        rates = [r.item() for r in torch.linspace(0, drop_path_rate, sum(depths))]
        stages = []
        prev, cur = in_chans, 0
        for i, (depth, dim) in enumerate(zip(depths, dims)):
            blocks = [nn.Conv2d(prev, dim, 4 if i == 0 else 2, stride=4 if i == 0 else 2)]
            blocks += [MixerBlock(dim, rates[cur + j], norm_layer, act_layer, se=bool(i)) for j in range(depth)]
            stages.append(nn.Sequential(*blocks))
            prev, cur = dim, cur + depth
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(prev, num_classes) if num_classes > 0 else nn.Identity()
        self.apply(self._init_weights)

    @staticmethod
    def _init_weights(m):
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            trunc_normal_(m.weight, std=0.02)
            if m.bias is not None:
                nn.init.zeros_(m.bias)

    def forward_features(self, x):
        return self.stages(x)

    def forward_head(self, x, pre_logits=False):
        x = x.mean((-2, -1))
        return x if pre_logits else self.head(x)

    def forward(self, x):
        return self.forward_head(self.forward_features(x))


@register_model
def mixer_tiny(pretrained=False, **kwargs):
    return build_model_with_cfg(Mixer, "mixer_tiny", pretrained, **dict(dict(depths=(1, 1)), **kwargs))


class WindowAttention(nn.Module):
    """Attention in windows with a table of relative positions."""

    def __init__(self, dim, window_size, num_heads, qkv_bias=True):
        super().__init__()
        self.window_size = to_2tuple(window_size)
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** -0.5
        wh, ww = self.window_size
        self.table = nn.Parameter(torch.zeros((2 * wh - 1) * (2 * ww - 1), num_heads))
        coords = torch.stack(torch.meshgrid([torch.arange(wh), torch.arange(ww)], indexing="ij"))
        flat = torch.flatten(coords, 1)
        relative = (flat[:, :, None] - flat[:, None, :]).permute(1, 2, 0).contiguous()
        relative[:, :, 0] += wh - 1
        relative[:, :, 1] += ww - 1
        relative[:, :, 0] *= 2 * ww - 1
        self.register_buffer("index", relative.sum(-1))
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        trunc_normal_(self.table, std=0.02)

    def forward(self, x, mask=None):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        a = q * self.scale @ k.transpose(-2, -1)
        bias = self.table[self.index.view(-1)].view(n, n, -1).permute(2, 0, 1)
        a = a + bias.unsqueeze(0)
        if mask is not None:
            a = a + mask
        return self.proj((a.softmax(dim=-1) @ v).transpose(1, 2).reshape(b, n, c))


class Windows(nn.Module):
    def __init__(self, *, image_size, patch_size, window_size, dim, heads, num_classes, channels=3):
        super().__init__()
        side = image_size // patch_size
        assert image_size % patch_size == 0, "the image does not divide into patches"
        assert side % window_size == 0, "the patches do not divide into windows"
        self.window = window_size
        self.patch = nn.Sequential(
            Rearrange("b c (h p) (w q) -> b h w (p q c)", p=patch_size, q=patch_size),
            nn.Linear(channels * patch_size**2, dim),
            nn.LayerNorm(dim),
        )
        self.position = nn.Parameter(torch.randn(side, side, dim) * 0.02)
        self.attend = WindowAttention(dim, window_size, heads)
        self.feed = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim * 2), nn.GELU(), nn.Linear(dim * 2, dim))
        self.token = nn.Parameter(torch.randn(dim))
        self.head = nn.Linear(dim, num_classes)

    def forward(self, img, scale=None):
        x = self.patch(img) + self.position
        scale = default(scale, 1)
        h, w = x.shape[1:3]
        s = self.window
        y = rearrange(x, "b (h s) (w t) d -> (b h w) (s t) d", s=s, t=s)
        y = self.attend(y)
        x = x + rearrange(y, "(b h w) (s t) d -> b (h s) (w t) d", s=s, t=s, h=h // s, w=w // s)
        x = x + self.feed(x) * scale
        pooled = reduce(x, "b h w d -> b d", "mean") + repeat(self.token, "d -> b d", b=x.shape[0])
        return self.head(pooled)
