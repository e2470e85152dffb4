"""Language and sequence models that mix several constructions, one class each. `shape` is the example input's."""
import math

import torch
from torch import nn
import torch.nn.functional as F

from attention import RmsNorm, attend, causal, heads, merge, rotate_halves


class GroupedRotaryNormed(nn.Module):
    """Grouped queries, rotary halves, RMS-normed queries and keys, two key-value heads, a biased output map."""
    shape = (3, 4, 4)

    def __init__(self, d=4, hd=2):
        super().__init__()
        self.norm, self.qn, self.kn = RmsNorm(d), RmsNorm(hd), RmsNorm(hd)
        self.q, self.k = nn.Linear(d, 4 * hd, bias=False), nn.Linear(d, 2 * hd, bias=False)
        self.v, self.o = nn.Linear(d, 2 * hd), nn.Linear(4 * hd, 3)

    def forward(self, x):
        x = self.norm(x)
        q, k, v = heads(self.q(x), 4), heads(self.k(x), 2), heads(self.v(x), 2)
        q, k = rotate_halves(self.qn(q)), rotate_halves(self.kn(k))
        k, v = (z[:, :, None].expand(-1, -1, 2, -1, -1).reshape(z.shape[0], 4, 4, -1) for z in (k, v))
        return self.o(merge(attend(q, k, v, causal(4))))


class PerceiverRead(nn.Module):
    """Learned latents read the input by cross attention, then one another; their mean is classified."""
    shape = (3, 5, 3)

    def __init__(self, d=3, n=2):
        super().__init__()
        self.latents = nn.Parameter(torch.randn(n, d))
        self.q, self.k, self.v, self.o = nn.Linear(d, 4), nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(4, d)
        self.norm, self.qkv, self.o2, self.head = nn.LayerNorm(d), nn.Linear(d, 6, bias=False), nn.Linear(2, d), nn.Linear(d, 4)

    def forward(self, x):
        z = self.latents.expand(x.shape[0], -1, -1)
        z = z + self.o(merge(attend(heads(self.q(z), 2), heads(self.k(x), 2), heads(self.v(x), 2))))
        q, k, v = self.qkv(self.norm(z)).chunk(3, -1)
        z = z + self.o2(attend(q, k, v))
        return self.head(z.mean(1))


class TokenPoolingHead(nn.Module):
    """CLIP's pooling: the mean of all places asks, two heads."""
    shape = (3, 4, 4)

    def __init__(self, d=4):
        super().__init__()
        self.place = nn.Parameter(torch.randn(5, d))
        self.q, self.k, self.v, self.c = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, 3)

    def forward(self, x):
        x = torch.cat([x.mean(1, keepdim=True), x], 1) + self.place
        y = attend(heads(self.q(x[:, :1]), 2), heads(self.k(x), 2), heads(self.v(x), 2))
        return self.c(merge(y)[:, 0])


class RetentionHeads(nn.Module):
    """Retention: decays instead of a softmax, every head normalised by itself, a swish gate."""
    shape = (3, 4, 3)

    def __init__(self, d=3, hd=2):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(d, 2 * hd, bias=False) for _ in range(3))
        self.gate, self.o = nn.Linear(d, 2 * hd, bias=False), nn.Linear(2 * hd, 3, bias=False)
        distance = (torch.arange(4)[:, None] - torch.arange(4)[None]).float()
        decay = torch.stack([g ** distance * (distance >= 0) for g in (0.9, 0.7)])
        self.decay = decay

    def forward(self, x):
        q, k, v = heads(self.q(x), 2), heads(self.k(x), 2), heads(self.v(x), 2)
        y = (q @ k.transpose(-2, -1) * self.decay.to(x)) @ v
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True))
        return self.o(F.silu(self.gate(x)) * merge(y))


class MambaBlock(nn.Module):
    """Input map, causal depthwise convolution, selective scan with low-rank steps and a direct path, gate."""
    shape = (3, 4, 3)

    def __init__(self, d=3, n=2, r=1):
        super().__init__()
        self.inner, self.gate = nn.Linear(3, d, bias=False), nn.Linear(3, d, bias=False)
        self.conv = nn.Conv1d(d, d, 2, groups=d)
        self.x, self.dt = nn.Linear(d, r + 2 * n, bias=False), nn.Linear(r, d)
        self.log_a, self.direct, self.out = nn.Parameter(torch.randn(d, n)), nn.Parameter(torch.randn(d, 1)), nn.Linear(d, 3, bias=False)
        self.r, self.n = r, n

    def forward(self, x):
        u, z = self.inner(x), self.gate(x)
        u = F.silu(self.conv(F.pad(u.transpose(1, 2), (1, 0))).transpose(1, 2))
        p = self.x(u)
        dt, b, c = F.softplus(self.dt(p[..., :self.r])), p[..., self.r:self.r + self.n], p[..., self.r + self.n:]
        a = -torch.exp(self.log_a)
        h, ys = torch.zeros(x.shape[0], *self.log_a.shape, dtype=x.dtype), []
        for t in range(x.shape[1]):
            h = torch.exp(dt[:, t, :, None] * a) * h + (dt[:, t] * u[:, t])[..., None] * b[:, t, None]
            ys.append((h * c[:, t, None]).sum(-1) + self.direct[:, 0] * u[:, t])
        return self.out(torch.stack(ys, 1) * F.silu(z))


class DeltaRule(nn.Module):
    """A fast weight matrix, corrected towards each value along a normalised key."""
    shape = (3, 4, 3)

    def __init__(self, d=2):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(3, d, bias=False) for _ in range(3))
        self.beta, self.o = nn.Linear(3, 1), nn.Linear(d, 3, bias=False)

    def forward(self, x):
        q, k, v, beta = self.q(x), F.normalize(self.k(x), dim=-1, eps=0.0), self.v(x), torch.sigmoid(self.beta(x))
        s, ys = torch.zeros(x.shape[0], 2, 2, dtype=x.dtype), []
        for t in range(x.shape[1]):
            error = v[:, t] - (s @ k[:, t, :, None])[..., 0]
            s = s + (beta[:, t] * error)[..., None] * k[:, t, None]
            ys.append((s @ q[:, t, :, None])[..., 0])
        return self.o(torch.stack(ys, 1))


class BidirectionalReader(nn.Module):
    """A bidirectional GRU, additive attention over its states, a classifier of the pooled state."""
    shape = (4, 3, 2)

    def __init__(self, h=2):
        super().__init__()
        self.rnn = nn.GRU(2, h, batch_first=True, bidirectional=True)
        self.a, self.u, self.head = nn.Linear(2 * h, 3), nn.Linear(3, 1, bias=False), nn.Linear(2 * h, 3)

    def forward(self, x):
        y = self.rnn(x)[0]
        w = torch.softmax(self.u(torch.tanh(self.a(y))), 1)
        return self.head((w * y).sum(1))


class EncoderDecoderAttention(nn.Module):
    """An LSTM encodes, a cell decodes two steps with multiplicative attention over the encoder's states."""
    shape = (4, 3, 2)

    def __init__(self, h=2):
        super().__init__()
        self.encoder = nn.LSTM(2, h, batch_first=True)
        self.x, self.h = nn.Linear(h, 4 * h), nn.Linear(h, 4 * h)
        self.w, self.join, self.head = nn.Linear(h, h, bias=False), nn.Linear(2 * h, h), nn.Linear(h, 3)

    def forward(self, x):
        states, (h, c) = self.encoder(x)
        h, c, ys = h[0], c[0], []
        context = torch.zeros_like(h)
        for _ in range(2):
            i, f, g, o = (self.x(context) + self.h(h)).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            scores = (states @ self.w(h)[..., None])[..., 0]
            context = (torch.softmax(scores, -1)[..., None] * states).sum(1)
            ys.append(self.head(torch.tanh(self.join(torch.cat([h, context], -1)))))
        return torch.stack(ys, 1)


class NormedGruCell(nn.Module):
    """A GRU by hand with layer norm before every gate."""
    shape = (4, 3, 2)

    def __init__(self, h=3):
        super().__init__()
        self.x, self.h, self.nx, self.nh = nn.Linear(2, 3 * h), nn.Linear(h, 3 * h), nn.LayerNorm(3 * h), nn.LayerNorm(3 * h)
        self.head, self.size = nn.Linear(h, 2), h

    def forward(self, x):
        h = torch.zeros(x.shape[0], self.size, dtype=x.dtype)
        for t in range(x.shape[1]):
            a, b = self.nx(self.x(x[:, t])), self.nh(self.h(h))
            r, z = torch.sigmoid(a[:, :3] + b[:, :3]), torch.sigmoid(a[:, 3:6] + b[:, 3:6])
            h = (1 - z) * torch.tanh(a[:, 6:] + r * b[:, 6:]) + z * h
        return self.head(h)


class SharedExpertMixture(nn.Module):
    """Three stacked SwiGLU experts by a softmax router, one expert that always works, inside a residual with RMS norm."""
    shape = (8, 3)

    def __init__(self, d=3, m=2, e=3):
        super().__init__()
        self.embed, self.norm, self.router = nn.Linear(3, d, bias=False), RmsNorm(d), nn.Linear(d, e, bias=False)
        self.w1, self.w3 = nn.Parameter(torch.randn(e, m, d)), nn.Parameter(torch.randn(e, m, d))
        self.w2 = nn.Parameter(torch.randn(e, d, m))
        self.s1, self.s3, self.s2 = nn.Linear(d, m, bias=False), nn.Linear(d, m, bias=False), nn.Linear(m, d, bias=False)
        self.head = nn.Linear(d, 4, bias=False)

    def forward(self, x):
        x = self.embed(x)
        y = self.norm(x)
        p = torch.softmax(self.router(y), -1)
        h = F.silu(torch.einsum("bd,emd->bem", y, self.w1)) * torch.einsum("bd,emd->bem", y, self.w3)
        routed = torch.einsum("bem,edm,be->bd", h, self.w2, p)
        return self.head(x + routed + self.s2(F.silu(self.s1(y)) * self.s3(y)))


class ModulatedBlock(nn.Module):
    """DiT: layer norms without weights, shifted, scaled and gated by a condition; attention and perceptron."""
    shape = (3, 4, 5)


    def __init__(self, d=3, m=4):
        super().__init__()
        self.embed, self.condition = nn.Linear(3, d), nn.Linear(2, 6 * d)
        self.qkv, self.o, self.up, self.down = nn.Linear(d, 3 * d), nn.Linear(d, d), nn.Linear(d, m), nn.Linear(m, d)
        self.head = nn.Linear(d, 4)
        self.norm = nn.LayerNorm(d, elementwise_affine=False)

    def forward(self, x):
        c, x = x[:, 0, 3:], self.embed(x[..., :3])
        s1, g1, a1, s2, g2, a2 = (z[:, None] for z in self.condition(F.silu(c)).chunk(6, -1))
        q, k, v = self.qkv(self.norm(x) * (1 + g1) + s1).chunk(3, -1)
        x = x + a1 * self.o(attend(q, k, v))
        x = x + a2 * self.down(F.gelu(self.up(self.norm(x) * (1 + g2) + s2)))
        return self.head(x)


class AttentionSinks(nn.Module):
    """A learned logit per head takes part in the softmax and is thrown away (gpt-oss)."""
    shape = (3, 4, 3)

    def __init__(self, d=3):
        super().__init__()
        self.q, self.k, self.v, self.o = nn.Linear(d, 4), nn.Linear(d, 4), nn.Linear(d, 4), nn.Linear(4, 3)
        self.sinks = nn.Parameter(torch.randn(2))

    def forward(self, x):
        q, k, v = heads(self.q(x), 2), heads(self.k(x), 2), heads(self.v(x), 2)
        s = q @ k.transpose(-2, -1) / math.sqrt(2.0) + causal(4)
        s = torch.cat([s, self.sinks.view(1, 2, 1, 1).expand(x.shape[0], 2, 4, 1)], -1)
        return self.o(merge(torch.softmax(s, -1)[..., :-1] @ v))


class PersistentMemory(nn.Module):
    """Learned keys and values stand beside those of the input."""
    shape = (3, 4, 3)

    def __init__(self, d=2, n=2):
        super().__init__()
        self.q, self.k, self.v, self.o = nn.Linear(3, d), nn.Linear(3, d), nn.Linear(3, d), nn.Linear(d, 3)
        self.mk, self.mv = nn.Parameter(torch.randn(1, n, d)), nn.Parameter(torch.randn(1, n, d))

    def forward(self, x):
        k = torch.cat([self.k(x), self.mk.expand(x.shape[0], -1, -1)], 1)
        v = torch.cat([self.v(x), self.mv.expand(x.shape[0], -1, -1)], 1)
        return self.o(attend(self.q(x), k, v))


class DifferentialAttention(nn.Module):
    """The difference of two softmax maps with a learned factor, normalised per head."""
    shape = (3, 4, 3)

    def __init__(self, d=3, hd=2):
        super().__init__()
        self.q1, self.q2, self.k1, self.k2 = (nn.Linear(d, hd, bias=False) for _ in range(4))
        self.v, self.o, self.norm = nn.Linear(d, 3, bias=False), nn.Linear(3, 2), RmsNorm(3)
        self.factor = nn.Parameter(torch.randn(()))

    def forward(self, x):
        a = torch.softmax(self.q1(x) @ self.k1(x).transpose(1, 2), -1)
        b = torch.softmax(self.q2(x) @ self.k2(x).transpose(1, 2), -1)
        return self.o(self.norm((a - self.factor * b) @ self.v(x)))


class RelativeMemory(nn.Module):
    """Transformer-XL: content and position scores, each with a bias vector of its own instead of the query's."""
    shape = (3, 4, 3)

    def __init__(self, d=4):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(3, d, bias=False), nn.Linear(3, d, bias=False), nn.Linear(3, d, bias=False)
        self.r, self.o = nn.Linear(3, d, bias=False), nn.Linear(d, 2)
        self.u, self.w = nn.Parameter(torch.randn(2, 1, d // 2)), nn.Parameter(torch.randn(2, 1, d // 2))
        self.table = torch.randn(4, 4, 3, generator=torch.Generator().manual_seed(3))

    def forward(self, x):
        q, k, v = heads(self.q(x), 2), heads(self.k(x), 2), heads(self.v(x), 2)
        r = self.r(self.table.to(x)).view(4, 4, 2, 2)
        s = (q + self.u) @ k.transpose(-2, -1) + torch.einsum("bhid,ijhd->bhij", q + self.w, r)
        return self.o(merge(torch.softmax(s / math.sqrt(2.0), -1) @ v))


class SandwichNorms(nn.Module):
    """RMS norms before and after each branch, GeGLU, capped logits (Gemma), head tied to the embedding."""
    shape = (3, 4)
    tokens = 5

    def __init__(self, d=3, m=3):
        super().__init__()
        self.embed = nn.Embedding(5, d)
        self.n1, self.n2, self.n3, self.n4, self.nf = (RmsNorm(d) for _ in range(5))
        self.q, self.k, self.v, self.o = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.gate, self.up, self.down = nn.Linear(d, m, bias=False), nn.Linear(d, m, bias=False), nn.Linear(m, d, bias=False)

    def forward(self, x):
        x = self.embed(x) * math.sqrt(3.0)
        y = self.n1(x)
        s = self.q(y) @ self.k(y).transpose(1, 2)
        x = x + self.n2(self.o(torch.softmax(torch.tanh(s / 5) * 5 + causal(4).to(s.dtype), -1) @ self.v(y)))
        y = self.n3(x)
        x = x + self.n4(self.down(F.gelu(self.gate(y)) * self.up(y)))
        return torch.tanh(F.linear(self.nf(x), self.embed.weight) / 30) * 30


class TimeMixing(nn.Module):
    """RWKV: interpolation with the step before, exponential decay, a receptance gate, squared rectifiers."""
    shape = (3, 4, 3)

    def __init__(self, d=3, m=4):
        super().__init__()
        self.mk, self.mv, self.mr, self.mc = (nn.Parameter(torch.randn(d)) for _ in range(4))
        self.decay, self.first = nn.Parameter(torch.randn(d)), nn.Parameter(torch.randn(d))
        self.k, self.v, self.r, self.o = (nn.Linear(3, d, bias=False) for _ in range(4))
        self.up, self.down, self.norm = nn.Linear(d, m, bias=False), nn.Linear(m, 2, bias=False), nn.LayerNorm(d)

    def forward(self, x):
        last = F.pad(x, (0, 0, 1, -1))
        k = self.k(x * self.mk + last * (1 - self.mk))
        v = self.v(x * self.mv + last * (1 - self.mv))
        r = torch.sigmoid(self.r(x * self.mr + last * (1 - self.mr)))
        w, num, den, ys = torch.exp(-torch.exp(self.decay)), 0.0, 0.0, []
        for t in range(x.shape[1]):
            e = torch.exp(self.first + k[:, t])
            ys.append((num + e * v[:, t]) / (den + e))
            num, den = w * num + torch.exp(k[:, t]) * v[:, t], w * den + torch.exp(k[:, t])
        y = self.norm(x + self.o(r * torch.stack(ys, 1)))
        return self.down(F.relu(self.up(y * self.mc)).square())


class GatedLongConvolution(nn.Module):
    """Hyena: projections gate one another around long depthwise filters."""
    shape = (3, 4, 3)

    def __init__(self, d=3):
        super().__init__()
        self.inner, self.out = nn.Linear(3, 3 * d), nn.Linear(d, 2)
        self.short, self.filter = nn.Conv1d(3 * d, 3 * d, 2, groups=3 * d, padding=1), nn.Parameter(torch.randn(d, 1, 4))

    def forward(self, x):
        u = self.short(self.inner(x).transpose(1, 2))[..., :4]
        a, b, v = u.chunk(3, 1)
        y = F.conv1d(F.pad(a * v, (3, 0)), self.filter, groups=3)
        return self.out((b * y).transpose(1, 2))


class HeadScaled(nn.Module):
    """NormFormer: a learned factor per head, a norm after the attention and inside of the perceptron."""
    shape = (3, 4, 4)

    def __init__(self, d=4, m=4):
        super().__init__()
        self.embed, self.n1, self.n2, self.n3, self.n4 = nn.Linear(4, d), nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(m)
        self.q, self.k, self.v, self.o = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)
        self.factor, self.up, self.down = nn.Parameter(torch.ones(2)), nn.Linear(d, m), nn.Linear(m, d)
        self.head = nn.Linear(d, 3)

    def forward(self, x):
        x = self.embed(x)
        y = self.n1(x)
        a = attend(heads(self.q(y), 2), heads(self.k(y), 2), heads(self.v(y), 2)) * self.factor.view(1, 2, 1, 1)
        x = x + self.n2(self.o(merge(a)))
        return self.head(x + self.down(self.n4(F.gelu(self.up(self.n3(x))))))


class NormedGroupedQuery(nn.Module):
    """Layer norms of queries and keys, heads repeated one by one after them."""
    shape = (2, 3, 4)

    def __init__(self, d=4, hd=3):
        super().__init__()
        self.n, self.qn, self.kn = nn.LayerNorm(d), nn.LayerNorm(hd), nn.LayerNorm(hd)
        self.q, self.k, self.v = nn.Linear(d, 4 * hd), nn.Linear(d, 2 * hd), nn.Linear(d, 2 * hd)
        self.o, self.head = nn.Linear(4 * hd, d), nn.Linear(d, 5)

    def forward(self, x):
        y = self.n(x)
        q, k, v = self.qn(heads(self.q(y), 4)), self.kn(heads(self.k(y), 2)), heads(self.v(y), 2)
        k, v = (torch.repeat_interleave(z, 2, dim=1) for z in (k, v))
        return self.head(x + self.o(merge(attend(q, k, v))))


class StepGains(nn.Module):
    """Gains of their own for each step, before steps are mixed."""

    shape = (24, 5, 3)

    def __init__(self):
        super().__init__()
        self.gain, self.mix = nn.Parameter(torch.randn(5, 3)), nn.Linear(5, 2)

    def forward(self, x):
        return self.mix(torch.relu(x * self.gain).transpose(1, 2))


class SpatialGatingUnit(nn.Module):
    """gMLP (2105.08050): half of the features times the other half, normed and mixed over tokens by a convolution with one tap."""
    shape = (4, 4, 5)

    def __init__(self, c=4, tokens=4):
        super().__init__()
        self.up, self.norm = nn.Linear(5, 2 * c), nn.LayerNorm(c)
        self.mix, self.down = nn.Conv1d(tokens, tokens, 1), nn.Linear(c, 3)

    def forward(self, x):
        u, v = F.gelu(self.up(x)).chunk(2, -1)
        return self.down(u * self.mix(self.norm(v)))
