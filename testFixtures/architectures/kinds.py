"""Models in which groups of several kinds meet: matrices beside scales of single weights, scales that look like shifts and shifts that
look like scales."""
import math

import torch
import torch.nn.functional as F
from torch import nn


class MatrixMemory(nn.Module):
    """xLSTM's matrix memory: keys and values as one product, a normaliser of keys alone, an exponential gate."""
    shape = (4, 4, 3)

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(3, 2), nn.Linear(3, 2), nn.Linear(3, 3)
        self.i, self.f, self.o = nn.Linear(3, 1), nn.Linear(3, 1), nn.Linear(3, 3)
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        c, n = x.new_zeros(x.shape[0], 3, 2), x.new_zeros(x.shape[0], 2)
        for t in range(x.shape[1]):
            u = x[:, t]
            q, k, v = self.q(u), self.k(u) / math.sqrt(2), self.v(u)
            i, f = torch.exp(self.i(u)), torch.sigmoid(self.f(u))
            c = f.unsqueeze(-1) * c + i.unsqueeze(-1) * (v.unsqueeze(-1) @ k.unsqueeze(1))
            n = f * n + i * k
        h = (c @ q.unsqueeze(-1)).squeeze(-1) / (n * q).sum(-1, keepdim=True).abs()
        return self.head(torch.sigmoid(self.o(u)) * h)


class ProjectedPlaces(nn.Module):
    """Linformer: keys and values projected along the places, by one matrix for all heads."""
    shape = (4, 4, 3)

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(4, 2)
        self.e, self.f = nn.Parameter(torch.randn(4, 2)), nn.Parameter(torch.randn(4, 2))

    def forward(self, x):
        k, v = torch.einsum("bnd,nk->bkd", self.k(x), self.e), torch.einsum("bnd,nk->bkd", self.v(x), self.f)
        q, k, v = [z.reshape(x.shape[0], -1, 2, 2).transpose(1, 2) for z in (self.q(x), k, v)]
        a = (q @ k.transpose(-1, -2) * 2 ** -0.5).softmax(-1)
        return self.o((a @ v).transpose(1, 2).reshape(x.shape[0], -1, 4))


class CosineState(nn.Module):
    """Linear attention between queries and keys of length one: the state is a product of keys and values."""
    shape = (2, 4, 3)

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(3, 4, bias=False) for _ in range(3))
        self.o = nn.Linear(4, 2, bias=False)

    def forward(self, x):
        n, l, _ = x.shape
        q, k, v = [f(x).view(n, l, 2, 2).transpose(1, 2) for f in (self.q, self.k, self.v)]
        q, k = F.normalize(q, dim=-1, eps=0.0), F.normalize(k, dim=-1, eps=0.0)
        y = q @ (k.transpose(-1, -2) @ v)
        return self.o(y.transpose(1, 2).reshape(n, l, 4))


class ExponentialKeys(nn.Module):
    """AFT: weights of places and keys enter through exponentials, and a sum divides by the same."""
    shape = (4, 4, 3)

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2)
        self.w = nn.Parameter(torch.randn(4, 4))

    def forward(self, x):
        w, k = torch.exp(self.w), torch.exp(self.k(x))
        return self.o(torch.sigmoid(self.q(x)) * (w @ (k * self.v(x))) / (w @ k))


class CosineTables(nn.Module):
    """Two tables whose rows are compared by their angle: each row may have any length."""
    tokens = 5
    shape = (6, 2)

    def __init__(self):
        super().__init__()
        self.u, self.v = nn.Embedding(5, 3), nn.Embedding(5, 3)

    def forward(self, x):
        return F.cosine_similarity(self.u(x[:, 0]), self.v(x[:, 1]), dim=-1, eps=0.0)


class ExponentialFilm(nn.Module):
    """Features modulated by an exponential: its bias is the logarithm of a scale."""
    shape = (4, 3)

    def __init__(self):
        super().__init__()
        self.a, self.g, self.b, self.h = nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.h(torch.relu(self.a(x)) * torch.exp(self.g(x)) + self.b(x))


class GatedCrossAttention(nn.Module):
    """Flamingo: branches on a stream, each behind the tanh of a scalar."""
    shape = (3, 7, 4)

    def __init__(self, d=4):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.q, self.k, self.v, self.o = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.ga, self.gf = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
        self.f1, self.f2 = nn.Linear(d, 5, bias=False), nn.Linear(5, d, bias=False)
        self.e, self.h = nn.Linear(d, d), nn.Linear(d, 2)

    def forward(self, x):
        m, x = x[:, 4:], self.e(x[:, :4])
        n = x.shape[0]
        q, k, v = [f(t).view(n, -1, 2, 2).transpose(1, 2) for f, t in ((self.q, self.n1(x)), (self.k, m), (self.v, m))]
        y = ((q @ k.transpose(-1, -2) * 2 ** -0.5).softmax(-1) @ v).transpose(1, 2).reshape(n, 4, 4)
        x = x + torch.tanh(self.ga) * self.o(y)
        return self.h(x + torch.tanh(self.gf) * self.f2(F.gelu(self.f1(self.n2(x)))))
