"""Factorisations, products, ties and shared weights in further combinations, one class each. `shape` is the example input's."""
import torch
from torch import nn
import torch.nn.functional as F


class DeepTiedAutoencoder(nn.Module):
    """Two tanh layers whose transposes decode, with biases of their own."""
    shape = (8, 5)

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 4), nn.Linear(4, 2)
        self.c, self.d = nn.Parameter(torch.zeros(4)), nn.Parameter(torch.zeros(5))

    def forward(self, x):
        z = self.b(torch.tanh(self.a(x)))
        return F.linear(torch.tanh(F.linear(z, self.b.weight.t(), self.c)), self.a.weight.t(), self.d)


class BilinearScore(nn.Module):
    """One tower for both inputs, a bilinear form compares them, and a linear map of their absolute difference."""
    shape = (8, 6)

    def __init__(self, h=3):
        super().__init__()
        self.tower, self.w, self.v = nn.Linear(3, h), nn.Parameter(torch.randn(2, h, h)), nn.Linear(h, 2)

    def forward(self, x):
        a, b = self.tower(x[:, :3]), self.tower(x[:, 3:])
        return torch.einsum("bi,oij,bj->bo", a, self.w, b) + self.v((a - b).abs())


class HadamardPooling(nn.Module):
    """Low-rank bilinear pooling with tanh on both sides, summed over neighbouring products."""
    shape = (8, 5)

    def __init__(self, k=3):
        super().__init__()
        self.u, self.v, self.p = nn.Linear(3, 2 * k), nn.Linear(2, 2 * k), nn.Linear(k, 3)

    def forward(self, x):
        z = self.u(x[:, :3]) * torch.tanh(self.v(x[:, 3:]))
        return self.p(z.view(x.shape[0], -1, 2).sum(-1))


class ContextualAdapter(nn.Module):
    """A frozen layer plus a low-rank one whose middle a condition scales."""
    shape = (8, 6)
    frozen = ("base.weight", "base.bias")

    def __init__(self, r=2):
        super().__init__()
        self.base, self.down, self.up, self.mid = nn.Linear(4, 4), nn.Linear(4, r, bias=False), nn.Linear(r, 4, bias=False), nn.Linear(2, r)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x, c = x[:, :4], x[:, 4:]
        return self.head(torch.tanh(self.base(x) + self.up(self.mid(c) * self.down(x))))


class RungeKutta(nn.Module):
    """One step of the classical fourth-order scheme through a tanh field with a time input."""
    shape = (8, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(4, h), nn.Linear(h, 3), nn.Linear(3, 2)

    def field(self, t, x):
        return self.b(torch.tanh(self.a(torch.cat([x, torch.full_like(x[:, :1], t)], 1))))

    def forward(self, x):
        k1 = self.field(0.0, x)
        k2 = self.field(0.5, x + k1 / 2)
        k3 = self.field(0.5, x + k2 / 2)
        k4 = self.field(1.0, x + k3)
        return self.head(x + (k1 + 2 * k2 + 2 * k3 + k4) / 6)


class AffineCoupling(nn.Module):
    """Two coupling layers of a flow with swapped halves; the log-determinant is an output too."""
    shape = (8, 4)

    def __init__(self, h=3):
        super().__init__()
        self.a1, self.s1, self.t1 = nn.Linear(2, h), nn.Linear(h, 2), nn.Linear(h, 2)
        self.a2, self.s2, self.t2 = nn.Linear(2, h), nn.Linear(h, 2), nn.Linear(h, 2)

    def forward(self, x):
        a, b = x.chunk(2, 1)
        h = F.relu(self.a1(a))
        s = torch.tanh(self.s1(h))
        b = b * torch.exp(s) + self.t1(h)
        h = F.relu(self.a2(b))
        r = torch.tanh(self.s2(h))
        a = a * torch.exp(r) + self.t2(h)
        return torch.cat([a, b], 1), (s + r).sum(1)


class FactorisedDeep(nn.Module):
    """DeepFM on two embedded fields: products of embeddings, first-order weights, a perceptron on the same embeddings."""
    shape = (16, 2)
    tokens = 7

    def __init__(self, d=2, h=3):
        super().__init__()
        self.a, self.b, self.wa, self.wb = nn.Embedding(7, d), nn.Embedding(7, d), nn.Embedding(7, 2), nn.Embedding(7, 2)
        self.m1, self.m2 = nn.Linear(2 * d, h), nn.Linear(h, 2)

    def forward(self, x):
        a, b = self.a(x[:, 0]), self.b(x[:, 1])
        first = self.wa(x[:, 0]) + self.wb(x[:, 1])
        return first + (a * b).sum(1, keepdim=True) + self.m2(F.relu(self.m1(torch.cat([a, b], 1))))


class TensorLayer(nn.Module):
    """A neural tensor layer: slices of a bilinear form, a linear map of both inputs, tanh."""
    shape = (8, 5)

    def __init__(self, k=3):
        super().__init__()
        self.ea, self.eb = nn.Linear(3, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.w, self.v, self.u = nn.Parameter(torch.randn(k, 2, 2)), nn.Linear(4, k), nn.Linear(k, 2)

    def forward(self, x):
        a, b = self.ea(x[:, :3]), self.eb(x[:, 3:])
        return self.u(torch.tanh(torch.einsum("bi,kij,bj->bk", a, self.w, b) + self.v(torch.cat([a, b], 1))))


class MultiplicativeFilters(nn.Module):
    """Sine filters of the input multiply a chain of linear maps."""
    shape = (8, 2)

    def __init__(self, h=3):
        super().__init__()
        self.f1, self.f2, self.f3 = nn.Linear(2, h), nn.Linear(2, h), nn.Linear(2, h)
        self.l1, self.l2, self.out = nn.Linear(h, h), nn.Linear(h, h), nn.Linear(h, 2)

    def forward(self, x):
        z = torch.sin(self.f1(x))
        z = self.l1(z) * torch.sin(self.f2(x))
        z = self.l2(z) * torch.sin(self.f3(x))
        return self.out(z)


class InducedSets(nn.Module):
    """Set attention through learned inducing points, a rectified sum, a maximum over the set."""
    shape = (4, 4, 3)

    def __init__(self, d=3):
        super().__init__()
        self.points = nn.Parameter(torch.randn(2, d))
        self.k1, self.v1, self.q2, self.k2, self.v2 = (nn.Linear(3, d, bias=False), nn.Linear(3, d), nn.Linear(3, d), nn.Linear(d, d), nn.Linear(d, d))
        self.head = nn.Linear(d, 3)

    def forward(self, x):
        h = torch.softmax(self.points @ self.k1(x).transpose(1, 2), -1) @ self.v1(x)
        y = torch.softmax(self.q2(x) @ self.k2(h).transpose(1, 2), -1) @ self.v2(h)
        return self.head(F.leaky_relu(y).amax(1))


class NeighbourSampling(nn.Module):
    """GraphSAGE: own features and the mean of neighbours, concatenated, normalised to unit length."""
    shape = (4, 4, 3)

    def __init__(self, h=3):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(6, h), nn.Linear(2 * h, h, bias=False), nn.Linear(h, 2)
        m = torch.tensor([[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 1], [0, 0, 1, 0]]).float()
        self.mean = m / m.sum(1, keepdim=True)

    def forward(self, x):
        x = F.leaky_relu(self.a(torch.cat([x, self.mean.to(x) @ x], -1)))
        x = self.b(torch.cat([x, self.mean.to(x) @ x], -1))
        return self.head(F.normalize(x, dim=-1, eps=0.0))


class KroneckerLayer(nn.Module):
    """The input as a matrix between two small ones, rectified, and again."""
    shape = (8, 2, 3)

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(3, 2)), nn.Parameter(torch.randn(3, 2))
        self.c, self.d, self.head = nn.Parameter(torch.randn(2, 3)), nn.Parameter(torch.randn(2, 2)), nn.Linear(4, 2)

    def forward(self, x):
        x = F.leaky_relu(self.a @ x @ self.b)
        return self.head((self.c @ x @ self.d).flatten(1))


class DiagonalPlusLowRank(nn.Module):
    """A diagonal map plus a product of two thin ones, twice, with a tanh in between."""
    shape = (8, 4)

    def __init__(self, r=2):
        super().__init__()
        self.d1, self.u1, self.v1 = nn.Parameter(torch.randn(4)), nn.Linear(r, 4), nn.Linear(4, r, bias=False)
        self.d2, self.u2, self.v2 = nn.Parameter(torch.randn(4)), nn.Linear(r, 4), nn.Linear(4, r, bias=False)

    def forward(self, x):
        x = torch.tanh(self.d1 * x + self.u1(self.v1(x)))
        return self.d2 * x + self.u2(self.v2(x))


class MixtureOfSoftmaxes(nn.Module):
    """Several softmax heads over shared output embeddings, mixed by a prior."""
    shape = (8, 3)

    def __init__(self, d=2, k=2):
        super().__init__()
        self.latent, self.prior, self.words = nn.Linear(3, k * d), nn.Linear(3, k, bias=False), nn.Linear(d, 4)

    def forward(self, x):
        h = torch.tanh(self.latent(x)).view(x.shape[0], 2, -1)
        p = torch.softmax(self.words(h), -1)
        return torch.log((torch.softmax(self.prior(x), -1)[..., None] * p).sum(1))


class ProductUnits(nn.Module):
    """Products of powers: exponentials of linear maps of logarithms."""
    shape = (8, 3)

    def __init__(self, h=3):
        super().__init__()
        self.a, self.w, self.out = nn.Linear(3, h), nn.Linear(h, 2, bias=False), nn.Linear(2, 2)

    def forward(self, x):
        return self.out(torch.exp(self.w(torch.log(F.softplus(self.a(x)) + 0.5))))


class BatchEnsemble(nn.Module):
    """Two members share one matrix and have rank-one factors of their own; both outputs are averaged."""
    shape = (8, 3)

    def __init__(self, h=4):
        super().__init__()
        self.w, self.r, self.s, self.b = nn.Parameter(torch.randn(h, 3)), nn.Parameter(torch.randn(2, 1, 3)), nn.Parameter(torch.randn(2, 1, h)), nn.Parameter(torch.randn(2, 1, h))
        self.w2, self.r2, self.s2 = nn.Parameter(torch.randn(2, h)), nn.Parameter(torch.randn(2, 1, h)), nn.Parameter(torch.randn(2, 1, 2))

    def forward(self, x):
        h = F.relu(((x[None] * self.r) @ self.w.t()) * self.s + self.b)
        return (((h * self.r2) @ self.w2.t()) * self.s2).mean(0)


class SquaredRectifiers(nn.Module):
    """Squared rectifiers, absolute values and squares side by side in one layer, and a residual."""
    shape = (8, 3)

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, 6), nn.Linear(6, 3), nn.Linear(3, 4)

    def forward(self, x):
        p, q, r = self.a(x).chunk(3, -1)
        return self.c(x + self.b(torch.cat([F.relu(p).square(), q.abs(), r.square()], -1)))


class GroupedMaximum(nn.Module):
    """Maxout over three pieces by pooling along the features, then a second layer with two."""
    shape = (8, 3)

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, 6), nn.Linear(2, 4), nn.Linear(2, 2)

    def forward(self, x):
        h = F.max_pool1d(self.a(x)[:, None], 3)[:, 0]
        return self.c(self.b(h).view(x.shape[0], 2, 2).amax(-1))


class RecurrentHighway(nn.Module):
    """Highway layers with coupled gates applied over time with shared weights."""
    shape = (6, 3, 2)

    def __init__(self, h=3):
        super().__init__()
        self.x, self.h, self.t = nn.Linear(2, h), nn.Linear(h, h), nn.Linear(h, h)
        self.head = nn.Linear(h, 2)

    def forward(self, x):
        s = torch.tanh(self.x(x[:, 0]))
        for t in range(1, 3):
            g = torch.sigmoid(self.t(s))
            s = torch.tanh(self.x(x[:, t]) + self.h(s)) * g + s * (1 - g)
        return self.head(s)


class GatedMixtureOfHeads(nn.Module):
    """Two experts of different kinds behind one sigmoid gate, and a shared linear head without bias."""
    shape = (8, 4)

    def __init__(self, h=3):
        super().__init__()
        self.a, self.b1, self.b2 = nn.Linear(4, h), nn.Linear(4, h, bias=False), nn.Linear(4, h, bias=False)
        self.gate, self.head = nn.Linear(4, 1), nn.Linear(h, 3, bias=False)

    def forward(self, x):
        g = torch.sigmoid(self.gate(x))
        return self.head(g * F.elu(self.a(x)) + (1 - g) * (self.b1(x) * self.b2(x)))
