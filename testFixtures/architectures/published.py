"""Layers as they are published, one class each. `shape` is the example input's."""
import math

import torch
from torch import nn
import torch.nn.functional as F


class EquivariantMessages(nn.Module):
    """E(n)-equivariant messages (2102.09844): places move along differences, SiLU everywhere; nothing is free."""
    shape = (2, 4, 5)

    def __init__(self):
        super().__init__()
        self.e1, self.e2 = nn.Linear(5, 4), nn.Linear(4, 3)
        self.c1, self.c2 = nn.Linear(3, 3), nn.Linear(3, 1, bias=False)
        self.n1, self.n2 = nn.Linear(5, 3), nn.Linear(3, 2)

    def forward(self, z):
        h, x = z[..., :2], z[..., 2:]
        d = x.unsqueeze(2) - x.unsqueeze(1)
        r = d.pow(2).sum(-1, keepdim=True)
        n = h.shape[1]
        m = torch.cat([h.unsqueeze(2).expand(-1, -1, n, -1), h.unsqueeze(1).expand(-1, n, -1, -1), r], -1)
        m = F.silu(self.e2(F.silu(self.e1(m))))
        x = x + (d * self.c2(F.silu(self.c1(m)))).mean(2)
        h = h + self.n2(F.silu(self.n1(torch.cat([h, m.sum(2)], -1))))
        return torch.cat([h, x], -1)


class BranchAndTrunk(nn.Module):
    """DeepONet (1910.03193): the inner product of a branch and a trunk."""
    shape = (20, 5)

    def __init__(self):
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))
        self.trunk = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return torch.einsum("bp,bp->b", self.branch(x[:, :3]), self.trunk(x[:, 3:])) + self.bias


class SoftShrinkage(nn.Module):
    """LISTA: iterations of soft thresholds, one per channel, with shared weights."""
    shape = (10, 3)

    def __init__(self):
        super().__init__()
        self.we, self.s = nn.Linear(3, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.theta = nn.Parameter(torch.rand(4))
        self.d = nn.Linear(4, 2, bias=False)

    def shrink(self, z):
        return torch.sign(z) * F.relu(z.abs() - self.theta)

    def forward(self, x):
        b = self.we(x)
        z = self.shrink(b)
        for _ in range(2):
            z = self.shrink(b + self.s(z))
        return self.d(z)


class SoftCodes(nn.Module):
    """Soft assignment to trained codes by squared distance; the same codes are decoded."""
    shape = (12, 3)

    def __init__(self):
        super().__init__()
        self.enc, self.dec = nn.Linear(3, 2), nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
        self.codes = nn.Parameter(torch.randn(4, 2))

    def forward(self, x):
        z = self.enc(x)
        d = z.pow(2).sum(1, keepdim=True) - 2 * z @ self.codes.t() + self.codes.pow(2).sum(1)
        return self.dec(torch.softmax(-d, 1) @ self.codes)


class NeighbouringChannels(nn.Module):
    """ECA (1910.03151): a convolution along channels gates them, so that they have an order."""
    shape = (3, 2, 4, 4)

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 4, 1), nn.Conv2d(4, 2, 1)
        self.k = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x):
        h = F.relu(self.a(x))
        y = h.mean((2, 3), keepdim=True)
        y = self.k(y.squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
        return self.b(h * torch.sigmoid(y))


class StyleMapping(nn.Module):
    """StyleGAN's mapping: weights under constant gains, activations normalised over channels."""
    shape = (8, 3)

    def __init__(self):
        super().__init__()
        self.w = nn.ParameterList([nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(3, 4))])
        self.b = nn.ParameterList([nn.Parameter(torch.randn(4)), nn.Parameter(torch.randn(3))])
        self.o = nn.Linear(3, 2)

    def forward(self, z):
        h = z * torch.rsqrt(torch.mean(z ** 2, dim=1, keepdim=True))
        for w, b in zip(self.w, self.b):
            h = F.leaky_relu(F.linear(h, w * (1 / math.sqrt(w.shape[1])), b * 0.01), 0.2) * math.sqrt(2)
        h = h * torch.rsqrt(torch.mean(h ** 2, dim=1, keepdim=True))
        return self.o(h)


class LowRankCross(nn.Module):
    """DCN-V2 (2008.13535): inputs times a map of low rank of what was crossed so far."""
    shape = (12, 4)

    def __init__(self):
        super().__init__()
        self.u = nn.ModuleList([nn.Linear(2, 4) for _ in range(2)])
        self.v = nn.ModuleList([nn.Linear(4, 2, bias=False) for _ in range(2)])
        self.o = nn.Linear(4, 2)

    def forward(self, x):
        h = x
        for u, v in zip(self.u, self.v):
            h = x * u(v(h)) + h
        return self.o(h)


class PositiveFeatures(nn.Module):
    """Performer (2009.14794): positive random features of queries and keys."""
    frozen = ("omega",)
    shape = (4, 4, 3)

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = nn.Linear(3, 2), nn.Linear(3, 2), nn.Linear(3, 3), nn.Linear(3, 2)
        self.register_buffer("omega", torch.tensor([[.3, -.9], [1.1, .4], [-.5, .8], [.2, -.7]]))

    def phi(self, z):
        return torch.exp(z @ self.omega.t() - z.pow(2).sum(-1, keepdim=True) / 2) / 2.0

    def forward(self, x):
        q, k, v = self.phi(self.q(x)), self.phi(self.k(x)), self.v(x)
        num = q @ (k.transpose(1, 2) @ v)
        return self.o(num / (q @ k.sum(1).unsqueeze(-1)))
