"""Several weights in one tensor, picked by index, by slices and by unbinding."""
import torch
import torch.nn.functional as F
from torch import nn


class LayerStack(nn.Module):
    """All layers in one tensor, indexed in a loop."""

    shape = (8, 3)

    def __init__(self, d=3, layers=3):
        super().__init__()
        self.w = nn.Parameter(torch.randn(layers, d, d))
        self.b = nn.Parameter(torch.randn(layers, d))
        self.head = nn.Linear(d, 2)

    def forward(self, x):
        for i in range(self.w.shape[0]):
            x = F.relu(x @ self.w[i] + self.b[i])
        return self.head(x)


class UnboundLayers(nn.Module):
    """Two matrices per layer in one tensor of rank four, unbound twice."""

    shape = (10, 3)

    def __init__(self, d=3, layers=2):
        super().__init__()
        self.w = nn.Parameter(torch.randn(layers, 2, d, d))
        self.head = nn.Linear(d, 2)

    def forward(self, x):
        for layer in self.w.unbind(0):
            up, gate = layer.unbind(0)
            x = (x @ up) * F.relu(x @ gate)
        return self.head(x)


class ChunkedKernel(nn.Module):
    """One kernel in three pieces of its last axis that read three different values."""

    shape = (10, 6)

    def __init__(self, h=3):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(h, 3 * h))
        self.first = nn.Linear(6, h)
        self.out = nn.Linear(h, 2)

    def forward(self, x):
        a, b, c = self.kernel.chunk(3, dim=1)
        x = torch.tanh(self.first(x))
        x = torch.tanh(x @ a)
        x = torch.tanh(x @ b)
        return self.out(torch.tanh(x @ c))


class HeadLoop(nn.Module):
    """Heads one by one, from stacked projections."""

    shape = (3, 4, 4)

    def __init__(self, n=2, d=4, k=2):
        super().__init__()
        self.q = nn.Parameter(torch.randn(n, d, k))
        self.k = nn.Parameter(torch.randn(n, d, k))
        self.v = nn.Parameter(torch.randn(n, d, k))
        self.o = nn.Linear(n * k, d, bias=False)

    def forward(self, x):
        ys = []
        for i in range(2):
            a = torch.softmax((x @ self.q[i]) @ (x @ self.k[i]).transpose(1, 2), -1)
            ys.append(a @ (x @ self.v[i]))
        return self.o(torch.cat(ys, -1))


class ExpertLoop(nn.Module):
    """Experts in stacked tensors, one by one."""

    shape = (10, 3)

    def __init__(self, e=3, h=3):
        super().__init__()
        self.router = nn.Linear(3, e, bias=False)
        self.up = nn.Parameter(torch.randn(e, 3, h))
        self.down = nn.Parameter(torch.randn(e, h, 2))

    def forward(self, x):
        g = torch.softmax(self.router(x), -1)
        return sum(g[:, i : i + 1] * (F.relu(x @ self.up[i]) @ self.down[i]) for i in range(3))


class SummedBranches(nn.Module):
    """Branches in one tensor that are summed: they may be exchanged."""

    shape = (10, 3)

    def __init__(self, h=4):
        super().__init__()
        self.up = nn.Parameter(torch.randn(2, 3, h))
        self.down = nn.Parameter(torch.randn(2, h, 2))

    def forward(self, x):
        return torch.tanh(x @ self.up[0]) @ self.down[0] + torch.tanh(x @ self.up[1]) @ self.down[1]


class OverlappingRows(nn.Module):
    """Two readers whose rows overlap, and rows that nobody reads."""

    shape = (10, 3)

    def __init__(self, h=4):
        super().__init__()
        self.w = nn.Parameter(torch.randn(8, h))
        self.first = nn.Linear(3, h)
        self.out = nn.Linear(h, 2)

    def forward(self, x):
        x = F.relu(self.first(x))
        x = F.relu(x @ self.w[0:4])
        return self.out(F.relu(x @ self.w[2:6]))


class RecurrentPair(nn.Module):
    """A gated cell by hand whose gates are rows of one stacked tensor."""

    shape = (4, 3, 3)

    def __init__(self, h=3):
        super().__init__()
        self.w = nn.Parameter(torch.randn(3, 3, h))
        self.u = nn.Parameter(torch.randn(3, h, h))
        self.b = nn.Parameter(torch.randn(3, h))
        self.out = nn.Linear(h, 2)

    def forward(self, x):
        h = torch.zeros(x.shape[0], 3, dtype=x.dtype)
        for t in range(3):
            z = torch.sigmoid(x[:, t] @ self.w[0] + h @ self.u[0] + self.b[0])
            r = torch.sigmoid(x[:, t] @ self.w[1] + h @ self.u[1] + self.b[1])
            n = torch.tanh(x[:, t] @ self.w[2] + (r * h) @ self.u[2] + self.b[2])
            h = (1 - z) * h + z * n
        return self.out(h)
