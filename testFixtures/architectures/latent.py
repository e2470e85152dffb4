"""Heads of several kinds of channels each, gated states, averages over depth. Sizes are small, so that ranks are cheap."""
import torch
from torch import nn
import torch.nn.functional as F


class PerHeadProjection(nn.Module):
    """Queries, keys and values of each head side by side in one projection (GPT-NeoX, BLOOM)."""
    shape = (2, 4, 4)

    def __init__(self, d=6, h=2):
        super().__init__()
        self.qkv, self.o, self.h = nn.Linear(4, 3 * d), nn.Linear(d, 3), h

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = self.qkv(x).view(b, n, self.h, -1).transpose(1, 2).chunk(3, -1)
        y = torch.softmax(q @ k.transpose(-1, -2) / 3 ** 0.5, -1) @ v
        return self.o(y.transpose(1, 2).reshape(b, n, -1))


class MultiHeadLatent(nn.Module):
    """Multi-head latent attention: compressed queries, keys and values, and a rotary key that all heads share."""
    shape = (2, 4, 4)
    frozen = ("cos", "sin")

    def __init__(self, d=4, h=2, plain=2, rotary=2, value=2, latent=3):
        super().__init__()
        self.q_down, self.q_norm = nn.Linear(d, latent, bias=False), nn.Parameter(torch.ones(latent))
        self.q_up = nn.Linear(latent, h * (plain + rotary), bias=False)
        self.kv_down, self.kv_norm = nn.Linear(d, latent + rotary, bias=False), nn.Parameter(torch.ones(latent))
        self.kv_up, self.o = nn.Linear(latent, h * (plain + value), bias=False), nn.Linear(h * value, 4, bias=False)
        self.h, self.sizes, self.latent = h, (plain, rotary, value), latent
        angles = torch.arange(4).float()[:, None]
        self.register_buffer("cos", torch.cos(angles))
        self.register_buffer("sin", torch.sin(angles))

    def norm(self, x, gain):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True)) * gain

    def turn(self, x):
        a, b = x[..., :1], x[..., 1:]
        return torch.cat([a * self.cos - b * self.sin, b * self.cos + a * self.sin], -1)

    def forward(self, x):
        b, n, _ = x.shape
        plain, rotary, value = self.sizes
        q = self.q_up(self.norm(self.q_down(x), self.q_norm)).view(b, n, self.h, -1).transpose(1, 2)
        q, q_rotary = q.split([plain, rotary], -1)
        c, k_rotary = self.kv_down(x).split([self.latent, rotary], -1)
        kv = self.kv_up(self.norm(c, self.kv_norm)).view(b, n, self.h, -1).transpose(1, 2)
        k, v = kv.split([plain, value], -1)
        scores = q @ k.transpose(-1, -2) + self.turn(q_rotary) @ self.turn(k_rotary[:, None]).transpose(-1, -2)
        y = torch.softmax(scores / 2, -1) @ v
        return self.o(y.transpose(1, 2).reshape(b, n, -1))


class DepthAverages(nn.Module):
    """Each block reads a learned average of all that came before (DenseFormer)."""
    shape = (8, 4)

    def __init__(self, d=4, m=4):
        super().__init__()
        self.embed, self.head = nn.Linear(4, d), nn.Linear(d, 3)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(d), nn.Linear(d, m), nn.GELU(), nn.Linear(m, d)) for _ in range(2))
        self.shares = nn.ParameterList(nn.Parameter(torch.randn(i + 2)) for i in range(2))

    def forward(self, x):
        x = self.embed(x)
        past = [x]
        for block, share in zip(self.blocks, self.shares):
            past.append(x + block(x))
            x = sum(share[i] * h for i, h in enumerate(past))
        return self.head(x)


class DecayedHeads(nn.Module):
    """Gated linear attention step by step: a decay per channel, a norm per head, an output gate."""
    shape = (2, 2, 4)

    def __init__(self, d=3, h=1, r=2):
        super().__init__()
        self.q, self.k, self.v, self.g = (nn.Linear(4, d, bias=False) for _ in range(4))
        self.a1, self.a2, self.o = nn.Linear(4, r, bias=False), nn.Linear(r, d), nn.Linear(d, 3, bias=False)
        self.h = h

    def forward(self, x):
        b, n, _ = x.shape
        decay = torch.sigmoid(self.a2(self.a1(x))) ** 0.25
        q, k, v, a = (z.view(b, n, self.h, -1) for z in (self.q(x), self.k(x), self.v(x), decay))
        s, steps = torch.zeros(b, self.h, 3, 3, dtype=x.dtype), []
        for t in range(n):
            s = a[:, t, :, :, None] * s + k[:, t, :, :, None] * v[:, t, :, None, :]
            steps.append((q[:, t, :, None] @ s).squeeze(2))
        y = torch.stack(steps, 1)
        y = y - y.mean(-1, keepdim=True)
        y = (y * torch.rsqrt((y * y).mean(-1, keepdim=True))).reshape(b, n, -1)
        return self.o(y * F.silu(self.g(x)))


class PairwiseInteraction(nn.Module):
    """Features of several towers, multiplied pair by pair; the pairs below the diagonal are read (DLRM)."""
    shape = (6, 9)

    def __init__(self, d=3):
        super().__init__()
        self.towers = nn.ModuleList(nn.Linear(3, d) for _ in range(3))
        self.top = nn.Sequential(nn.Linear(d + 3, 4), nn.ReLU(), nn.Linear(4, 1))

    def forward(self, x):
        parts = [tower(p) for tower, p in zip(self.towers, x.chunk(3, 1))]
        t = torch.cat(parts, 1).view(len(x), 3, -1)
        s = torch.bmm(t, t.transpose(1, 2))
        row, column = torch.tensor([1, 2, 2]), torch.tensor([0, 0, 1])
        return self.top(torch.cat([parts[0], s[:, row, column]], 1))


class BlockDiagonals(nn.Module):
    """Two block-diagonal factors with a transposition between (Monarch matrices)."""
    shape = (8, 6)

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Parameter(torch.randn(2, 3, 2)), nn.Parameter(torch.randn(3, 2, 2))
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        y = torch.einsum("bgi,gio->bgo", x.view(-1, 3, 2), self.right).transpose(1, 2)
        y = torch.einsum("bgi,gio->bgo", y, self.left).transpose(1, 2).reshape(-1, 4)
        return self.out(F.relu(y))


class FieldEmbedding(nn.Module):
    """One table for all categorical features, told apart by offsets; a linear part beside a perceptron (wide and deep)."""
    shape = (8, 3)
    tokens = 3

    def __init__(self, d=2, h=3):
        super().__init__()
        self.wide, self.table = nn.Embedding(9, 3), nn.Embedding(9, d)
        self.deep = nn.Sequential(nn.Linear(3 * d, h), nn.Tanh(), nn.Linear(h, 3))
        self.register_buffer("offset", torch.tensor([0, 3, 6]))

    def forward(self, ids):
        ids = ids + self.offset
        return self.wide(ids).sum(1) + self.deep(self.table(ids).flatten(1))
