"""Attention and transformers, one class each. `shape` is the example input's."""
import math
import torch
from torch import nn
import torch.nn.functional as F


class RmsNorm(nn.Module):
    def __init__(self, d, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def rotate_halves(x, base=10.0):
    t, d = x.shape[-2], x.shape[-1]
    angle = torch.arange(t, dtype=x.dtype)[:, None] / base ** (torch.arange(0, d, 2, dtype=x.dtype) / d)
    cos, sin = torch.cat([angle.cos()] * 2, -1), torch.cat([angle.sin()] * 2, -1)
    a, b = x[..., :d // 2], x[..., d // 2:]
    return x * cos + torch.cat([-b, a], -1) * sin


def rotate_pairs(x, base=10.0):
    t, d = x.shape[-2], x.shape[-1]
    angle = torch.arange(t, dtype=x.dtype)[:, None] / base ** (torch.arange(0, d, 2, dtype=x.dtype) / d)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1).flatten(-2)


def heads(x, h):
    return x.view(x.shape[0], x.shape[1], h, -1).transpose(1, 2)


def merge(x):
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], -1)


def attend(q, k, v, bias=None):
    s = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return torch.softmax(s if bias is None else s + bias, -1) @ v


def causal(t):
    return torch.full((t, t), float("-inf")).triu(1)


class LlamaBlock(nn.Module):
    """RMS norms, rotary halves, two query heads per key-value head, SwiGLU, no biases."""
    shape = (3, 4, 3)

    def __init__(self, d=4, hd=2, m=3):
        super().__init__()
        self.embed, self.n1, self.n2, self.nf = nn.Linear(3, d, bias=False), RmsNorm(d), RmsNorm(d), RmsNorm(d)
        self.q, self.k, self.v = nn.Linear(d, 2 * hd, bias=False), nn.Linear(d, hd, bias=False), nn.Linear(d, hd, bias=False)
        self.o = nn.Linear(2 * hd, d, bias=False)
        self.gate, self.up, self.down = nn.Linear(d, m, bias=False), nn.Linear(d, m, bias=False), nn.Linear(m, d, bias=False)
        self.head = nn.Linear(d, 3, bias=False)

    def forward(self, x):
        x = self.embed(x)
        y = self.n1(x)
        q, k, v = heads(self.q(y), 2), heads(self.k(y), 1), heads(self.v(y), 1)
        k, v = (z.repeat_interleave(2, dim=1) for z in (k, v))
        x = x + self.o(merge(attend(rotate_halves(q), rotate_halves(k), v, causal(4))))
        y = self.n2(x)
        x = x + self.down(F.silu(self.gate(y)) * self.up(y))
        return self.head(self.nf(x))


class PostNormBlock(nn.Module):
    shape = (3, 4, 4)

    def __init__(self, d=4, m=5):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
        self.n1, self.n2, self.up, self.down = nn.LayerNorm(d), nn.LayerNorm(d), nn.Linear(d, m), nn.Linear(m, d)
        self.head = nn.Linear(d, 5)

    def forward(self, x):
        x = self.n1(x + self.o(attend(self.q(x), self.k(x), self.v(x))))
        x = self.n2(x + self.down(F.relu(self.up(x))))
        return self.head(x)


class ParallelBlock(nn.Module):
    """Attention and perceptron read one norm and add to the stream together (GPT-J); the input maps are fused."""
    shape = (3, 4, 3)

    def __init__(self, d=4, m=4):
        super().__init__()
        self.d, self.m = d, m
        self.embed, self.norm, self.fused = nn.Linear(3, d), nn.LayerNorm(d), nn.Linear(d, 3 * d + m, bias=False)
        self.out, self.final, self.head = nn.Linear(d + m, d, bias=False), nn.LayerNorm(d), nn.Linear(d, 5)

    def forward(self, x):
        x = self.embed(x)
        q, k, v, u = self.fused(self.norm(x)).split([self.d, self.d, self.d, self.m], dim=-1)
        y = attend(rotate_pairs(heads(q, 2)), rotate_pairs(heads(k, 2)), heads(v, 2))
        x = x + self.out(torch.cat([merge(y), F.gelu(u)], -1))
        return self.head(self.final(x))


class QkRmsNorm(nn.Module):
    """Queries and keys of each head are normalised with shared gains."""
    shape = (4, 4, 4)

    def __init__(self, d=4, h=2):
        super().__init__()
        self.h = h
        self.q, self.k, self.v = (nn.Linear(4, d, bias=False) for _ in range(3))
        self.nq, self.nk, self.o = RmsNorm(d // h), RmsNorm(d // h), nn.Linear(d, 3, bias=False)

    def forward(self, x):
        q, k, v = heads(self.q(x), self.h), heads(self.k(x), self.h), heads(self.v(x), self.h)
        return self.o(merge(attend(self.nq(q), self.nk(k), v)))


class QkLayerNorm(nn.Module):
    """Layer norm over all heads together, before the split (ViT-22B variants)."""
    shape = (4, 4, 3)

    def __init__(self, d=4, h=2):
        super().__init__()
        self.h = h
        self.qkv, self.nq, self.nk, self.o = nn.Linear(3, 3 * d), nn.LayerNorm(d), nn.LayerNorm(d), nn.Linear(d, 3)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return self.o(merge(attend(heads(self.nq(q), self.h), heads(self.nk(k), self.h), heads(v, self.h))))


class GroupedQuery(nn.Module):
    """Four query heads on two key-value heads, repeated by expand and reshape."""
    shape = (3, 5, 4)

    def __init__(self, hd=2):
        super().__init__()
        self.hd = hd
        self.q, self.k, self.v, self.o = nn.Linear(4, 4 * hd), nn.Linear(4, 2 * hd), nn.Linear(4, 2 * hd), nn.Linear(4 * hd, 3)

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = heads(self.q(x), 4), heads(self.k(x), 2), heads(self.v(x), 2)
        k, v = (z[:, :, None].expand(b, 2, 2, t, self.hd).reshape(b, 4, t, self.hd) for z in (k, v))
        return self.o(merge(attend(q, k, v)))


class MultiQuery(nn.Module):
    """All heads share one key and one value."""
    shape = (3, 5, 3)

    def __init__(self, hd=2):
        super().__init__()
        self.hd = hd
        self.q, self.kv, self.o = nn.Linear(3, 3 * hd), nn.Linear(3, 2 * hd), nn.Linear(3 * hd, 3)

    def forward(self, x):
        q = heads(self.q(x), 3)
        k, v = self.kv(x).split(self.hd, dim=-1)
        return self.o(merge(attend(q, k.unsqueeze(1), v.unsqueeze(1))))


class CrossAttention(nn.Module):
    """Learned latents attend to the input (Perceiver, DETR queries)."""
    shape = (3, 6, 3)

    def __init__(self, d=4, h=2):
        super().__init__()
        self.h = h
        self.latents = nn.Parameter(torch.randn(7, 3))
        self.q, self.k, self.v, self.o = nn.Linear(3, d), nn.Linear(3, d), nn.Linear(3, d), nn.Linear(d, 2)

    def forward(self, x):
        q = heads(self.q(self.latents).expand(x.shape[0], 7, 4), self.h)
        return self.o(merge(attend(q, heads(self.k(x), self.h), heads(self.v(x), self.h))))


class TorchSelfAttention(nn.Module):
    """torch.nn.MultiheadAttention on itself, batch first."""
    shape = (3, 5, 4)

    def __init__(self):
        super().__init__()
        self.mha = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        return self.mha(x, x, x, need_weights=False)[0]


class TorchCrossAttention(nn.Module):
    """torch.nn.MultiheadAttention between the input and a memory made from it, key and value of other widths."""
    shape = (5, 3, 4)

    def __init__(self):
        super().__init__()
        self.mha = nn.MultiheadAttention(4, 2, kdim=3, vdim=2, bias=False)

    def forward(self, x):
        return self.mha(x, x[..., :3] ** 2, x[..., 1:3].sin())[0]


class TorchEncoderLayer(nn.Module):
    shape = (3, 5, 3)

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(3, 4)
        self.layer = nn.TransformerEncoderLayer(4, 2, dim_feedforward=3, dropout=0.0, batch_first=True, norm_first=True)
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        return self.head(self.layer(self.embed(x)))


class LinearAttention(nn.Module):
    """elu + 1 as feature map, with its normaliser."""
    shape = (4, 6, 3)

    def __init__(self, d=3):
        super().__init__()
        self.q, self.k, self.v, self.o = nn.Linear(3, d), nn.Linear(3, d), nn.Linear(3, d), nn.Linear(d, 3)

    def forward(self, x):
        q, k, v = F.elu(self.q(x)) + 1, F.elu(self.k(x)) + 1, self.v(x)
        kv = torch.einsum("bnd,bne->bde", k, v)
        z = 1 / torch.einsum("bnd,bd->bn", q, k.sum(1))
        return self.o(torch.einsum("bnd,bde,bn->bne", q, kv, z))


class ReluLinearAttention(nn.Module):
    """Rectified feature map: every feature of queries and keys scales against its partner."""
    shape = (4, 6, 3)

    def __init__(self, d=3):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(3, d, bias=False) for _ in range(4))

    def forward(self, x):
        q, k, v = F.relu(self.q(x)), F.relu(self.k(x)), self.v(x)
        return self.o(q @ (k.transpose(1, 2) @ v) / 6.0)


class RotaryPairs(nn.Module):
    """Rotary positions on interleaved pairs, two heads."""
    shape = (3, 4, 3)

    def __init__(self, d=8, h=2):
        super().__init__()
        self.h = h
        self.q, self.k, self.v = (nn.Linear(3, d, bias=False) for _ in range(3))
        self.o = nn.Linear(d, 3, bias=False)

    def forward(self, x):
        q, k, v = (heads(m(x), self.h) for m in (self.q, self.k, self.v))
        return self.o(merge(attend(rotate_pairs(q), rotate_pairs(k), v)))


class PartialRotary(nn.Module):
    """Only the first half of each head rotates (GPT-NeoX); the rest keeps its matrix group."""
    shape = (3, 4, 4)

    def __init__(self, d=4):
        super().__init__()
        self.q, self.k, self.v, self.o = nn.Linear(4, d), nn.Linear(4, d), nn.Linear(4, d), nn.Linear(d, 3)

    def forward(self, x):
        q, k, v = self.q(x), self.k(x), self.v(x)
        q, k = (torch.cat([rotate_halves(z[..., :2]), z[..., 2:]], -1) for z in (q, k))
        return self.o(attend(q, k, v))


class AlibiCausal(nn.Module):
    """Each head has its own slope: heads are not exchangeable, their matrix groups stay."""
    shape = (3, 4, 3)

    def __init__(self, d=4, h=2):
        super().__init__()
        self.h = h
        self.qkv, self.o = nn.Linear(3, 3 * d), nn.Linear(d, 3)

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = (heads(z, self.h) for z in self.qkv(x).chunk(3, dim=-1))
        place = torch.arange(t, dtype=x.dtype)
        slope = torch.tensor([0.5, 0.25], dtype=x.dtype).view(2, 1, 1)
        return self.o(merge(attend(q, k, v, causal(t).to(x.dtype) + slope * (place[None, :] - place[:, None]))))


class RelativeBias(nn.Module):
    """T5: a learned table of distances by head, looked up and added to the scores."""
    shape = (3, 4, 3)

    def __init__(self, d=4, h=2):
        super().__init__()
        self.h = h
        self.q, self.k, self.v = (nn.Linear(3, d, bias=False) for _ in range(3))
        self.o, self.table = nn.Linear(d, 3, bias=False), nn.Embedding(7, h)

    def forward(self, x):
        place = torch.arange(4)
        bias = self.table(place[None, :] - place[:, None] + 3).permute(2, 0, 1)
        q, k, v = (heads(m(x), self.h) for m in (self.q, self.k, self.v))
        return self.o(merge(attend(q, k, v, bias)))


class TiedLanguageModel(nn.Module):
    """One table reads tokens and scores them; learned positions; RMS norms."""
    shape = (4, 5)
    tokens = 6

    def __init__(self, d=4, m=5):
        super().__init__()
        self.table, self.places = nn.Embedding(6, d), nn.Parameter(torch.randn(5, d))
        self.norm, self.up, self.down, self.final = RmsNorm(d), nn.Linear(d, m), nn.Linear(m, d), RmsNorm(d)

    def forward(self, x):
        x = self.table(x) + self.places
        x = x + self.down(F.relu(self.up(self.norm(x))))
        return self.final(x) @ self.table.weight.t()


class BertEmbeddings(nn.Module):
    """Sum of token, place and segment tables, normalised: what one table gains another may lose."""
    shape = (4, 4)
    tokens = 5

    def __init__(self, d=4):
        super().__init__()
        self.token, self.place, self.segment = nn.Embedding(5, d), nn.Embedding(4, d), nn.Embedding(2, d)
        self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, 3)

    def forward(self, x):
        y = self.token(x) + self.place(torch.arange(4)) + self.segment((x > 2).long())
        return self.head(torch.tanh(self.norm(y)))


class AttentionPooling(nn.Module):
    """One learned query by additive attention."""
    shape = (6, 5, 3)

    def __init__(self, h=4):
        super().__init__()
        self.w, self.u, self.head = nn.Linear(3, h), nn.Linear(h, 1, bias=False), nn.Linear(3, 2)

    def forward(self, x):
        a = torch.softmax(self.u(torch.tanh(self.w(x))), dim=1)
        return self.head((a * x).sum(1))


class GatedAttentionPooling(nn.Module):
    """Multiple-instance learning: tanh times sigmoid, several maps."""
    shape = (6, 5, 3)

    def __init__(self, h=3, k=2):
        super().__init__()
        self.feature, self.v, self.u, self.w = nn.Linear(3, 4), nn.Linear(4, h), nn.Linear(4, h), nn.Linear(h, k)
        self.head = nn.Linear(4 * k, 2)

    def forward(self, x):
        f = F.relu(self.feature(x))
        a = torch.softmax(self.w(torch.tanh(self.v(f)) * torch.sigmoid(self.u(f))), dim=1)
        return self.head((a.transpose(1, 2) @ f).flatten(1))


class TalkingHeads(nn.Module):
    """Linear maps across heads before and after the softmax."""
    shape = (3, 4, 3)

    def __init__(self, d=4, h=2):
        super().__init__()
        self.h = h
        self.q, self.k, self.v = (nn.Linear(3, d, bias=False) for _ in range(3))
        self.pre, self.post = nn.Linear(h, h, bias=False), nn.Linear(h, h, bias=False)
        self.o = nn.Linear(d, 3, bias=False)

    def forward(self, x):
        q, k, v = (heads(m(x), self.h) for m in (self.q, self.k, self.v))
        s = self.pre((q @ k.transpose(-2, -1)).permute(0, 2, 3, 1))
        a = self.post(torch.softmax(s, 2)).permute(0, 3, 1, 2)
        return self.o(merge(a @ v))


class CosineAttention(nn.Module):
    """Swin v2: cosine scores with one learned temperature per head."""
    shape = (3, 5, 3)

    def __init__(self, d=4, h=2):
        super().__init__()
        self.h = h
        self.q, self.k, self.v = (nn.Linear(3, d, bias=False) for _ in range(3))
        self.logit, self.o = nn.Parameter(torch.zeros(h, 1, 1)), nn.Linear(d, 2)

    def forward(self, x):
        q, k, v = (heads(m(x), self.h) for m in (self.q, self.k, self.v))
        s = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1) * self.logit.exp()
        return self.o(merge(torch.softmax(s, -1) @ v))


class GatedAttentionUnit(nn.Module):
    """GAU: one head with squared rectified scores from one shared base by gains and offsets, and a gate."""
    shape = (3, 4, 3)

    def __init__(self, e=3, s=2):
        super().__init__()
        self.u, self.v, self.z = nn.Linear(3, e), nn.Linear(3, e), nn.Linear(3, s)
        self.gq, self.bq, self.gk, self.bk = (nn.Parameter(torch.randn(s)) for _ in range(4))
        self.o = nn.Linear(e, 3)

    def forward(self, x):
        u, v, z = F.silu(self.u(x)), F.silu(self.v(x)), F.silu(self.z(x))
        a = F.relu((z * self.gq + self.bq) @ (z * self.gk + self.bk).transpose(1, 2)) ** 2 / 4
        return self.o(u * (a @ v))


class LatentAttention(nn.Module):
    """Keys and values are made from one compressed vector (MLA)."""
    shape = (3, 5, 5)

    def __init__(self, d=4, h=2, r=2):
        super().__init__()
        self.h = h
        self.q, self.down = nn.Linear(5, d, bias=False), nn.Linear(5, r, bias=False)
        self.k, self.v, self.o = nn.Linear(r, d, bias=False), nn.Linear(r, d, bias=False), nn.Linear(d, 3, bias=False)

    def forward(self, x):
        c = self.down(x)
        return self.o(merge(attend(heads(self.q(x), self.h), heads(self.k(c), self.h), heads(self.v(c), self.h))))


class MlpMixer(nn.Module):
    """Perceptrons across tokens and across channels in turn."""
    shape = (4, 4, 3)

    def __init__(self, d=3, t=4, mt=3, mc=4):
        super().__init__()
        self.embed, self.n1, self.n2, self.n3 = nn.Linear(3, d), nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d)
        self.t1, self.t2, self.c1, self.c2 = nn.Linear(t, mt), nn.Linear(mt, t), nn.Linear(d, mc), nn.Linear(mc, d)
        self.head = nn.Linear(d, 2)

    def forward(self, x):
        x = self.embed(x)
        x = x + self.t2(F.gelu(self.t1(self.n1(x).transpose(1, 2)))).transpose(1, 2)
        x = x + self.c2(F.gelu(self.c1(self.n2(x))))
        return self.head(self.n3(x).mean(1))


class SpatialGating(nn.Module):
    """gMLP: half of the channels, mixed over tokens, gate the other half."""
    shape = (4, 4, 3)

    def __init__(self, e=6):
        super().__init__()
        self.up, self.norm, self.space, self.down = nn.Linear(3, e), nn.LayerNorm(e // 2), nn.Linear(4, 4), nn.Linear(e // 2, 3)

    def forward(self, x):
        u, v = F.gelu(self.up(x)).chunk(2, dim=-1)
        return x + self.down(u * self.space(self.norm(v).transpose(1, 2)).transpose(1, 2))


class GraphAttention(nn.Module):
    """GAT on a fixed graph: additive scores from two vectors, leaky rectifier, heads concatenated."""
    shape = (3, 4, 3)

    def __init__(self, h=2, d=2):
        super().__init__()
        self.h = h
        self.w, self.src, self.dst = nn.Linear(3, h * d, bias=False), nn.Parameter(torch.randn(h, d)), nn.Parameter(torch.randn(h, d))
        self.head = nn.Linear(h * d, 2)

    def forward(self, x):
        z = heads(self.w(x), self.h)
        s = (z * self.src[:, None]).sum(-1).unsqueeze(-1) + (z * self.dst[:, None]).sum(-1).unsqueeze(-2)
        edges = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]).bool()
        a = torch.softmax(F.leaky_relu(s, 0.2).masked_fill(~edges, -1e9), -1)
        return self.head(F.elu(merge(a @ z)))


class VisionTransformerTokens(nn.Module):
    """Patches by strided convolution, a class token, learned places, one pre-norm block without biases in attention."""
    shape = (3, 1, 4, 4)

    def __init__(self, d=4, m=3):
        super().__init__()
        self.patch, self.cls, self.pos = nn.Conv2d(1, d, 2, stride=2), nn.Parameter(torch.randn(1, 1, d)), nn.Parameter(torch.randn(1, 5, d))
        self.n1, self.qkv, self.o = nn.LayerNorm(d), nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d)
        self.n2, self.up, self.down, self.nf, self.head = nn.LayerNorm(d), nn.Linear(d, m), nn.Linear(m, d), nn.LayerNorm(d), nn.Linear(d, 5)

    def forward(self, x):
        b = x.shape[0]
        x = torch.cat([self.cls.expand(b, -1, -1), self.patch(x).flatten(2).transpose(1, 2)], 1) + self.pos
        q, k, v = self.qkv(self.n1(x)).reshape(b, 5, 3, 2, 2).permute(2, 0, 3, 1, 4)
        x = x + self.o(merge(attend(q, k, v)))
        x = x + self.down(F.gelu(self.up(self.n2(x))))
        return self.head(self.nf(x).mean(1))


class NormedFeatureAttention(nn.Module):
    """Linear attention over squares of rectified features, each head's outcome normalised: tokens without any feature have none."""
    shape = (4, 4, 3)

    def __init__(self, d=4, heads=2):
        super().__init__()
        self.heads, self.gain = heads, nn.Parameter(torch.ones(d))
        self.q, self.k, self.v, self.o = nn.Linear(3, d, bias=False), nn.Linear(3, d, bias=False), nn.Linear(3, d, bias=False), nn.Linear(d, 2)

    def split(self, x):
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, x):
        q, k, v = self.split(torch.relu(self.q(x)) ** 2), self.split(torch.relu(self.k(x)) ** 2), self.split(self.v(x))
        y = q @ (k.transpose(-1, -2) @ v)
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-30)
        return self.o(y.transpose(1, 2).reshape(x.shape[0], x.shape[1], -1) * self.gain)
