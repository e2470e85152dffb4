"""Perceptrons, gates, norms, factorisations and other small constructions, one class each. `shape` is the example input's."""
import torch
from torch import nn
import torch.nn.functional as F


class Film(nn.Module):
    """Feature-wise modulation by a conditioning branch."""
    shape = (8, 5)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.gamma, self.beta, self.b = nn.Linear(3, h), nn.Linear(2, h), nn.Linear(2, h), nn.Linear(h, 2)

    def forward(self, x):
        x, c = x[:, :3], x[:, 3:]
        return self.b(F.relu(self.gamma(c) * self.a(x) + self.beta(c)))


class LayerScaleMlp(nn.Module):
    """Two residual perceptrons, the first with layer scale, the second with one scalar (SkipInit)."""
    shape = (8, 6)

    def __init__(self, d=3, m=4):
        super().__init__()
        self.embed, self.head = nn.Linear(6, d), nn.Linear(d, 5)
        self.a1, self.b1, self.gamma = nn.Linear(d, m), nn.Linear(m, d), nn.Parameter(torch.ones(d))
        self.a2, self.b2, self.alpha = nn.Linear(d, m), nn.Linear(m, d), nn.Parameter(torch.ones(1))

    def forward(self, x):
        x = self.embed(x)
        x = x + self.gamma * self.b1(F.relu(self.a1(x)))
        x = x + self.alpha * self.b2(torch.tanh(self.a2(x)))
        return self.head(x)


class ReZero(nn.Module):
    """A scalar in front of a branch without weights of its own behind the activation."""
    shape = (8, 4)

    def __init__(self):
        super().__init__()
        self.a, self.b, self.alpha = nn.Linear(4, 4), nn.Linear(4, 3), nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.b(x + self.alpha * F.relu(self.a(x)))


class ScalarGate(nn.Module):
    """A sigmoid of one scalar mixes two branches."""
    shape = (8, 4)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.b, self.gate = nn.Linear(4, h), nn.Linear(4, h), nn.Parameter(torch.zeros(1))
        self.c = nn.Linear(h, 3)

    def forward(self, x):
        g = torch.sigmoid(self.gate)
        return self.c(g * torch.tanh(self.a(x)) + (1 - g) * torch.tanh(self.b(x)))


class SqueezeExcite(nn.Module):
    shape = (4, 2, 3, 3)

    def __init__(self, c=4, s=2):
        super().__init__()
        self.conv, self.down, self.up, self.head = nn.Conv2d(2, c, 3, padding=1), nn.Linear(c, s), nn.Linear(s, c), nn.Conv2d(c, 2, 1)

    def forward(self, x):
        y = F.relu(self.conv(x))
        g = torch.sigmoid(self.up(F.relu(self.down(y.mean((2, 3))))))
        return self.head(y * g[:, :, None, None])


class Highway(nn.Module):
    shape = (8, 5)

    def __init__(self, d=4):
        super().__init__()
        self.embed, self.t, self.h, self.head = nn.Linear(5, d), nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, 3)

    def forward(self, x):
        x = self.embed(x)
        t = torch.sigmoid(self.t(x))
        return self.head(t * F.relu(self.h(x)) + (1 - t) * x)


class SoftExperts(nn.Module):
    """Dense routing over experts kept as separate modules."""
    shape = (8, 3)

    def __init__(self, e=3, h=3):
        super().__init__()
        self.router = nn.Linear(3, e)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(3, h), nn.ReLU(), nn.Linear(h, 2)) for _ in range(e))

    def forward(self, x):
        g = torch.softmax(self.router(x), -1)
        return sum(g[:, i:i + 1] * m(x) for i, m in enumerate(self.experts))


class StackedExperts(nn.Module):
    """Dense routing over experts in stacked tensors, SwiGLU inside."""
    shape = (8, 3)

    def __init__(self, e=3, h=2):
        super().__init__()
        self.router = nn.Linear(3, e, bias=False)
        self.gate, self.up = nn.Parameter(torch.randn(e, 3, h)), nn.Parameter(torch.randn(e, 3, h))
        self.down = nn.Parameter(torch.randn(e, h, 2))

    def forward(self, x):
        g = torch.softmax(self.router(x), -1)
        y = F.silu(torch.einsum("bi,eih->beh", x, self.gate)) * torch.einsum("bi,eih->beh", x, self.up)
        return torch.einsum("be,beh,eho->bo", g, y, self.down)


class TopTwoExperts(nn.Module):
    """The two best experts by score, weights renormalised, all computed (dense dispatch by mask)."""
    jumps = True
    shape = (8, 3)

    def __init__(self, e=4, h=2):
        super().__init__()
        self.router = nn.Linear(3, e, bias=False)
        self.up, self.down = nn.Parameter(torch.randn(e, 3, h)), nn.Parameter(torch.randn(e, h, 2))

    def forward(self, x):
        s = self.router(x)
        best = torch.topk(s, 2, dim=-1)[0][:, 1:2]
        g = torch.softmax(torch.where(s >= best, s, torch.full_like(s, -1e9)), -1)
        y = F.relu(torch.einsum("bi,eih->beh", x, self.up))
        return torch.einsum("be,beh,eho->bo", g, y, self.down)


class MatrixFactorisation(nn.Module):
    """Users times items plus both biases and a mean."""
    shape = (6, 2)
    tokens = 5

    def __init__(self, r=2):
        super().__init__()
        self.user, self.item = nn.Embedding(5, r), nn.Embedding(5, r)
        self.bu, self.bi, self.mean = nn.Embedding(5, 1), nn.Embedding(5, 1), nn.Parameter(torch.zeros(1))

    def forward(self, x):
        u, i = x[:, 0], x[:, 1]
        return (self.user(u) * self.item(i)).sum(-1, keepdim=True) + self.bu(u) + self.bi(i) + self.mean


class FactorisationMachine(nn.Module):
    """Second-order interactions by the sum-of-squares identity: an orthogonal group acts on the factors."""
    shape = (12, 8)

    def __init__(self, r=3):
        super().__init__()
        self.linear, self.v = nn.Linear(8, 1), nn.Parameter(torch.randn(8, r))

    def forward(self, x):
        s = (x @ self.v) ** 2 - (x ** 2) @ (self.v ** 2)
        return self.linear(x) + 0.5 * s.sum(-1, keepdim=True)


class Maxout(nn.Module):
    shape = (8, 4)

    def __init__(self, h=3, k=2):
        super().__init__()
        self.h, self.k = h, k
        self.a, self.b = nn.Linear(4, h * k), nn.Linear(h, 4)

    def forward(self, x):
        return self.b(self.a(x).view(-1, self.h, self.k).max(-1)[0])


class MaxoutBranches(nn.Module):
    """The larger of two separate layers."""
    shape = (8, 4)

    def __init__(self, h=3):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, h), nn.Linear(4, h), nn.Linear(h, 4)

    def forward(self, x):
        return self.c(torch.maximum(self.a(x), self.b(x)))


class BilinearLayer(nn.Module):
    """Linear maps of two inputs meet in a third-order tensor with bias (torch.nn.Bilinear, written out)."""
    shape = (8, 8)

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 2, bias=False), nn.Linear(4, 3, bias=False)
        self.w, self.bias = nn.Parameter(torch.randn(2, 2, 3)), nn.Parameter(torch.zeros(2))

    def forward(self, x):
        u, v = self.a(x[:, :4]), self.b(x[:, 4:])
        return ((u @ self.w.permute(1, 0, 2).reshape(2, 6)).view(-1, 2, 3) * v.unsqueeze(1)).sum(-1) + self.bias


class BilinearPooling(nn.Module):
    """Outer product over places, averaged and flattened, then read."""
    shape = (8, 3, 4)

    def __init__(self, c=2, k=3):
        super().__init__()
        self.a, self.b, self.head = nn.Conv1d(3, c, 1, bias=False), nn.Conv1d(3, k, 1, bias=False), nn.Linear(c * k, 2)

    def forward(self, x):
        return self.head((self.a(x) @ self.b(x).transpose(1, 2) / 4).flatten(1))


class QuadraticForm(nn.Module):
    """x^T W x per output: the skew part of W is never read."""
    shape = (10, 4)

    def __init__(self):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(2, 4, 4)), nn.Linear(4, 2)

    def forward(self, x):
        return torch.einsum("bi,oij,bj->bo", x, self.w, x) + self.b(x)


class Hypernetwork(nn.Module):
    """The weight of one layer is a function of a learned code and the input's context."""
    shape = (8, 5)

    def __init__(self, h=3):
        super().__init__()
        self.h = h
        self.gen1, self.gen2, self.out = nn.Linear(2, 4), nn.Linear(4, 3 * h), nn.Linear(h, 2)

    def forward(self, x):
        x, c = x[:, :3], x[:, 3:]
        w = self.gen2(F.relu(self.gen1(c))).view(-1, self.h, 3)
        return self.out(F.relu((w @ x.unsqueeze(-1)).squeeze(-1)))


class Siren(nn.Module):
    """Sine units with a fixed frequency."""
    shape = (8, 2)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(2, h), nn.Linear(h, h), nn.Linear(h, 1)

    def forward(self, x):
        return self.c(torch.sin(3.0 * self.b(torch.sin(3.0 * self.a(x)))))


class SplineSums(nn.Module):
    """A Kolmogorov-Arnold layer: fixed bumps of every input, summed with learned coefficients, twice."""
    shape = (12, 2)
    frozen = ("grid",)

    def __init__(self, h=3, g=4):
        super().__init__()
        self.register_buffer("grid", torch.linspace(-2, 2, g))
        self.c1, self.c2 = nn.Parameter(torch.randn(h, 2, g)), nn.Parameter(torch.randn(2, h, g))
        self.s1, self.s2 = nn.Parameter(torch.randn(h, 2)), nn.Parameter(torch.randn(2, h))

    def layer(self, x, c, s):
        bumps = torch.exp(-(x.unsqueeze(-1) - self.grid) ** 2)
        return torch.einsum("big,oig->bo", bumps, c) + F.silu(x) @ s.t()

    def forward(self, x):
        return self.layer(self.layer(x, self.c1, self.s1), self.c2, self.s2)


class Nalu(nn.Module):
    """Neural arithmetic logic unit: bounded weights, a gate between addition and multiplication."""
    shape = (8, 3)

    def __init__(self, o=2):
        super().__init__()
        self.w, self.m, self.g = nn.Parameter(torch.randn(o, 3)), nn.Parameter(torch.randn(o, 3)), nn.Parameter(torch.randn(o, 3))
        self.head = nn.Linear(o, 2)

    def forward(self, x):
        w = torch.tanh(self.w) * torch.sigmoid(self.m)
        g = torch.sigmoid(x @ self.g.t())
        return self.head(g * (x @ w.t()) + (1 - g) * torch.exp(torch.log(x.abs() + 1e-7) @ w.t()))


class SigmoidAbsorbed(nn.Module):
    """Sigmoid units whose flip the next bias absorbs."""
    shape = (8, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, h), nn.Linear(h, h), nn.Linear(h, 2)

    def forward(self, x):
        return self.c(torch.sigmoid(self.b(torch.sigmoid(self.a(x)))))


class PowerUnits(nn.Module):
    """Cubic, square, absolute and rectified-square units side by side."""
    shape = (12, 3)

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(3, 2) for _ in range(4))
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        return self.out(torch.cat([self.a(x) ** 3, self.b(x) ** 2, self.c(x).abs(), F.relu(self.d(x)) ** 2], 1))


class RootUnits(nn.Module):
    """Signed square roots and a normalised second layer."""
    jumps = True
    shape = (8, 4)

    def __init__(self, h=3):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, h), nn.Linear(h, h, bias=False), nn.Linear(h, 2)

    def forward(self, x):
        y = self.a(x)
        y = torch.sign(y) * torch.sqrt(y.abs())
        z = self.b(y)
        return self.c(z / z.norm(dim=-1, keepdim=True))


class LeakySingleSlope(nn.Module):
    """One learned slope for all channels."""
    shape = (8, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.act, self.b = nn.Linear(3, h), nn.PReLU(), nn.Linear(h, 2)

    def forward(self, x):
        return self.b(self.act(self.a(x)))


class HardTanhUnits(nn.Module):
    """Clipping to a symmetric range is odd."""
    shape = (8, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.b = nn.Linear(3, h), nn.Linear(h, 2)

    def forward(self, x):
        return self.b(F.hardtanh(self.a(x)))


class FeatureSoftmax(nn.Module):
    """A softmax over hidden features, twice: what is added to all of them is forgotten."""
    shape = (10, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, h), nn.Linear(h, h), nn.Linear(h, 2)

    def forward(self, x):
        return self.c(torch.softmax(self.b(torch.softmax(self.a(x), -1)), -1))


class RolledChannels(nn.Module):
    """Rectified channels and the same rolled by one, added: of four sums three are independent."""
    shape = (24, 3)

    def __init__(self):
        super().__init__()
        self.a, self.o = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        y = torch.relu(self.a(x))
        return self.o(y + torch.roll(y, 1, -1))


class CodeDistances(nn.Module):
    """Soft assignment to a learned code book by squared distance."""
    shape = (10, 4)

    def __init__(self, k=8, d=2):
        super().__init__()
        self.enc, self.codes, self.dec = nn.Linear(4, d), nn.Parameter(torch.randn(k, d)), nn.Linear(d, 4)

    def forward(self, x):
        z = self.enc(x)
        d = z.pow(2).sum(-1, keepdim=True) - 2 * z @ self.codes.t() + self.codes.pow(2).sum(-1)
        return self.dec(torch.softmax(-d, -1) @ self.codes)


class HardCodes(nn.Module):
    """Vector quantisation: the nearest code is looked up."""
    jumps = True
    shape = (10, 4)

    def __init__(self, k=8, d=2):
        super().__init__()
        self.enc, self.codes, self.dec = nn.Linear(4, d), nn.Parameter(torch.randn(k, d)), nn.Linear(d, 4)

    def forward(self, x):
        z = self.enc(x)
        d = z.pow(2).sum(-1, keepdim=True) - 2 * z @ self.codes.t() + self.codes.pow(2).sum(-1)
        return self.dec(F.embedding(d.argmin(-1), self.codes))


class ContrastiveTowers(nn.Module):
    """Two towers, cosine similarities of all pairs, a learned temperature (CLIP)."""
    shape = (6, 7)

    def __init__(self, d=3):
        super().__init__()
        self.image, self.text, self.t = nn.Linear(4, d, bias=False), nn.Linear(3, d, bias=False), nn.Parameter(torch.zeros(()))

    def forward(self, x):
        a, b = F.normalize(self.image(x[:, :4]), dim=-1), F.normalize(self.text(x[:, 4:]), dim=-1)
        return self.t.exp() * a @ b.t()


class SiameseTowers(nn.Module):
    """One tower for both inputs; the absolute difference is read."""
    shape = (8, 6)

    def __init__(self, h=4, d=3):
        super().__init__()
        self.a, self.b, self.out = nn.Linear(3, h), nn.Linear(h, d), nn.Linear(d, 2)

    def tower(self, x):
        return self.b(F.relu(self.a(x)))

    def forward(self, x):
        return self.out((self.tower(x[:, :3]) - self.tower(x[:, 3:])).abs())


class MetricTowers(nn.Module):
    """One linear tower for both inputs; the squared distance is the output."""
    shape = (12, 8)

    def __init__(self, d=3):
        super().__init__()
        self.a = nn.Linear(4, d)

    def forward(self, x):
        return (self.a(x[:, :4]) - self.a(x[:, 4:])).pow(2).sum(-1)


class RadialBasis(nn.Module):
    """Gaussians around learned centres with learned widths."""
    shape = (12, 2)

    def __init__(self, k=4):
        super().__init__()
        self.centres, self.log_width, self.out = nn.Parameter(torch.randn(k, 2)), nn.Parameter(torch.zeros(k)), nn.Linear(k, 2)

    def forward(self, x):
        d = (x.unsqueeze(1) - self.centres).pow(2).sum(-1)
        return self.out(torch.exp(-d * torch.exp(self.log_width)))


class CapsuleSquash(nn.Module):
    """Vector units, squashed by a function of their length, transformed, summed."""
    shape = (8, 4)

    def __init__(self, c=3, d=2):
        super().__init__()
        self.c, self.d = c, d
        self.a, self.w = nn.Linear(4, c * d, bias=False), nn.Parameter(torch.randn(c, d, 3))

    def forward(self, x):
        u = self.a(x).view(-1, self.c, self.d)
        n = u.pow(2).sum(-1, keepdim=True)
        u = n / (1 + n) * u / n.sqrt()
        return torch.einsum("bcd,cdo->bo", u, self.w)


class GraphConvolution(nn.Module):
    """Two layers on a fixed normalised graph, summed read-out."""
    shape = (3, 4, 3)
    frozen = ("graph",)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, h), nn.Linear(h, h), nn.Linear(h, 2)
        self.register_buffer("graph", torch.tensor([[.5, .5, 0, 0], [.3, .4, .3, 0], [0, .3, .4, .3], [0, 0, .5, .5]]))

    def forward(self, x):
        x = F.relu(self.graph @ self.a(x))
        x = F.relu(self.graph @ self.b(x))
        return self.c(x.sum(1))


class DeepSet(nn.Module):
    """Elements are embedded, summed and maximised; both summaries are read."""
    shape = (6, 5, 2)

    def __init__(self, h=3):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(2, h), nn.Linear(h, h), nn.Linear(2 * h, 2)

    def forward(self, x):
        y = self.b(F.relu(self.a(x)))
        return self.c(torch.cat([y.sum(1), y.max(1)[0]], 1))


class VariationalAutoencoder(nn.Module):
    """Means and log-variances, noise as a second input, both as outputs."""
    shape = (8, 6)

    def __init__(self, z=2):
        super().__init__()
        self.enc, self.mu, self.logvar, self.dec = nn.Linear(4, 3), nn.Linear(3, z), nn.Linear(3, z), nn.Linear(z, 4)

    def forward(self, x):
        x, noise = x[:, :4], x[:, 4:]
        h = torch.tanh(self.enc(x))
        mu, logvar = self.mu(h), self.logvar(h)
        kl = 0.5 * (mu.pow(2) + logvar.exp() - logvar - 1).sum(-1, keepdim=True)
        return torch.cat([self.dec(mu + torch.exp(0.5 * logvar) * noise), kl], 1)


class DeepLinear(nn.Module):
    shape = (8, 5)

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 3), nn.Linear(3, 3), nn.Linear(3, 4)

    def forward(self, x):
        return self.c(self.b(self.a(x)))


class TensorTrain(nn.Module):
    """A weight as a chain of three cores: a matrix group on each bond."""
    shape = (10, 8)

    def __init__(self, r=2):
        super().__init__()
        self.a, self.b, self.c = nn.Parameter(torch.randn(2, 2, r)), nn.Parameter(torch.randn(r, 2, 2, r)), nn.Parameter(torch.randn(r, 2, 2))

    def forward(self, x):
        return torch.einsum("zijk,iar,rjbs,skc->zabc", x.view(-1, 2, 2, 2), self.a, self.b, self.c).flatten(1)


class CanonicalPolyadic(nn.Module):
    """A product of three linear maps per rank-one term."""
    shape = (12, 9)

    def __init__(self, r=3):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(3, r, bias=False) for _ in range(3))
        self.o = nn.Linear(r, 3, bias=False)

    def forward(self, x):
        return self.o(self.a(x[:, :3]) * self.b(x[:, 3:6]) * self.c(x[:, 6:]))


class TuckerCore(nn.Module):
    """A small core between two factor matrices and the output (MUTAN)."""
    shape = (10, 8)

    def __init__(self, p=2, q=2, o=2):
        super().__init__()
        self.a, self.b, self.core, self.o = nn.Linear(4, p, bias=False), nn.Linear(4, q, bias=False), nn.Parameter(torch.randn(p, q, o)), nn.Linear(o, 3, bias=False)

    def forward(self, x):
        return self.o(torch.einsum("bp,bq,pqo->bo", self.a(x[:, :4]), self.b(x[:, 4:]), self.core))


class LearnedTemperature(nn.Module):
    """Logits times the exponential of a scalar, and a scalar weight normalisation."""
    shape = (8, 3)

    def __init__(self):
        super().__init__()
        self.a, self.t = nn.Linear(3, 4), nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return self.a(x) * self.t.exp()


class TwoOutputs(nn.Module):
    """A policy and a value head on one trunk."""
    shape = (8, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.b, self.pi, self.v = nn.Linear(3, h), nn.Linear(h, h), nn.Linear(h, 2), nn.Linear(h, 1)

    def forward(self, x):
        x = torch.tanh(self.b(F.relu(self.a(x))))
        return self.pi(x), self.v(x)


class DuelingHeads(nn.Module):
    """Value plus advantage minus its mean."""
    shape = (10, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.v, self.adv = nn.Linear(3, h), nn.Linear(h, 1), nn.Linear(h, 3)

    def forward(self, x):
        x = F.relu(self.a(x))
        adv = self.adv(x)
        return self.v(x) + adv - adv.mean(-1, keepdim=True)


class ComplexLayers(nn.Module):
    """Complex multiplication by real and imaginary weights; the modulus decides (modReLU)."""
    shape = (10, 4)

    def __init__(self, h=3):
        super().__init__()
        self.ar, self.ai, self.bias = nn.Linear(2, h, bias=False), nn.Linear(2, h, bias=False), nn.Parameter(torch.zeros(h))
        self.br, self.bi = nn.Linear(h, 2, bias=False), nn.Linear(h, 2, bias=False)

    def forward(self, x):
        p, q = x[:, :2], x[:, 2:]
        u, v = self.ar(p) - self.ai(q), self.ar(q) + self.ai(p)
        n = torch.sqrt(u * u + v * v)
        g = F.relu(n + self.bias) / n
        u, v = g * u, g * v
        return torch.cat([self.br(u) - self.bi(v), self.br(v) + self.bi(u)], 1)


class DropoutTraining(nn.Module):
    """Dropout stays in the exported training graph."""
    shape = (8, 3)
    random = True

    def __init__(self, h=5):
        super().__init__()
        self.a, self.b = nn.Linear(3, h), nn.Linear(h, 2)

    def forward(self, x):
        return self.b(F.dropout(F.relu(self.a(x)), 0.5, training=self.training))


class SharedLayer(nn.Module):
    """One hidden layer is applied twice with its own output as input."""
    shape = (8, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.m, self.b = nn.Linear(3, h), nn.Linear(h, h), nn.Linear(h, 2)

    def forward(self, x):
        x = F.relu(self.a(x))
        return self.b(F.relu(self.m(F.relu(self.m(x)))))


class TransposedTie(nn.Module):
    """A deep autoencoder whose decoder is the transposed encoder."""
    shape = (10, 5)

    def __init__(self, h=4, z=2):
        super().__init__()
        self.w1, self.w2 = nn.Parameter(torch.randn(h, 5)), nn.Parameter(torch.randn(z, h))
        self.b1, self.b2, self.c1, self.c2 = (nn.Parameter(torch.randn(n)) for n in (h, z, h, 5))

    def forward(self, x):
        z = F.linear(F.relu(F.linear(x, self.w1, self.b1)), self.w2, self.b2)
        return F.linear(F.relu(F.linear(z, self.w2.t(), self.c1)), self.w1.t(), self.c2)


class NormalisedUnits(nn.Module):
    """Batch norm without gain in front of a maximum, a sum of norms behind."""
    shape = (10, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.bn, self.b = nn.Linear(3, h), nn.BatchNorm1d(h, affine=False), nn.Linear(h // 2, 2)

    def forward(self, x):
        y = self.bn(self.a(x))
        return self.b(torch.maximum(y[:, :2], y[:, 2:]))


class GroupNormRelu(nn.Module):
    """Group norm with gains, rectified, and the unit's maximum over places."""
    shape = (6, 2, 6)

    def __init__(self, c=4):
        super().__init__()
        self.a, self.norm, self.b = nn.Conv1d(2, c, 2), nn.GroupNorm(2, c), nn.Linear(c, 2)

    def forward(self, x):
        return self.b(F.relu(self.norm(self.a(x))).amax(2))


class MixtureDensity(nn.Module):
    """Log-likelihood of a Gaussian mixture with predicted weights, means and widths."""
    shape = (12, 3)

    def __init__(self, k=3):
        super().__init__()
        self.a, self.pi, self.mu, self.s = nn.Linear(2, 3), nn.Linear(3, k), nn.Linear(3, k), nn.Linear(3, k)

    def forward(self, x):
        h = torch.tanh(self.a(x[:, :2]))
        s = self.s(h)
        e = torch.log_softmax(self.pi(h), -1) - s - 0.5 * ((x[:, 2:] - self.mu(h)) * torch.exp(-s)) ** 2
        return torch.logsumexp(e, -1)


class BranchAndMerge(nn.Module):
    """A trunk whose units are read by a product of two sums and a skip past it."""
    shape = (10, 4)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.u, self.v, self.w, self.o = nn.Linear(4, h), nn.Linear(h, 3), nn.Linear(h, 3), nn.Linear(4, 3), nn.Linear(3, 5)

    def forward(self, x):
        y = F.relu(self.a(x))
        return self.o(self.u(y) * self.v(y) + self.w(x))


class CrossNetwork(nn.Module):
    """Deep and cross: products of the input with learned sums of the layer before."""
    shape = (12, 3)

    def __init__(self):
        super().__init__()
        self.w1, self.w2, self.head = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x):
        y = x * self.w1(x) + x
        y = x * self.w2(y) + y
        return self.head(y)


class TransformedWeights(nn.Module):
    """Weights made positive by softplus, a monotone network."""
    shape = (8, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(h, 3)), nn.Parameter(torch.randn(2, h))
        self.c = nn.Parameter(torch.randn(h))

    def forward(self, x):
        return F.linear(torch.tanh(F.linear(x, F.softplus(self.a), self.c)), F.softplus(self.b))


class ExponentialWeights(nn.Module):
    """Weights are exponentials: the rescaling of rectified units is a translation of their logarithms."""
    shape = (8, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.b, self.c = nn.Parameter(torch.randn(h, 3)), nn.Parameter(torch.randn(2, h)), nn.Parameter(torch.randn(h))

    def forward(self, x):
        return F.linear(F.relu(F.linear(x, self.a.exp(), self.c)), self.b.exp())


class InterleavedGate(nn.Module):
    """Gate and value are neighbouring units of one fused layer."""
    shape = (8, 3)

    def __init__(self, h=3):
        super().__init__()
        self.h = h
        self.a, self.b = nn.Linear(3, 2 * h), nn.Linear(h, 2)

    def forward(self, x):
        y = self.a(x).view(-1, self.h, 2)
        return self.b(F.silu(y[..., 0]) * y[..., 1])


class WhereLeaky(nn.Module):
    """A leaky rectifier written as a choice between two slopes."""
    shape = (8, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.b = nn.Linear(3, h), nn.Linear(h, 2)

    def forward(self, x):
        y = self.a(x)
        return self.b(torch.where(y > 0, y, 0.2 * y))


class BiasedPadding(nn.Module):
    """Padding by a constant other than zero: its border does not scale."""
    shape = (6, 2, 5)

    def __init__(self, c=3):
        super().__init__()
        self.a, self.b = nn.Conv1d(2, c, 2), nn.Conv1d(c, 2, 2)

    def forward(self, x):
        return self.b(F.pad(F.relu(self.a(x)), (1, 1), value=0.5))


class RoundedUnits(nn.Module):
    """Units are rounded to whole numbers by a cast and back."""
    jumps = True
    shape = (12, 3)

    def __init__(self, h=3):
        super().__init__()
        self.a, self.b = nn.Linear(3, h), nn.Linear(h, 2)

    def forward(self, x):
        return self.b(F.relu(self.a(x) * 3).int().to(x.dtype))


class ClippedLogits(nn.Module):
    """A one-sided clip at a value other than zero, and a soft cap by tanh."""
    shape = (10, 3)

    def __init__(self, h=3):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, h), nn.Linear(h, h), nn.Linear(h, 2)

    def forward(self, x):
        y = self.a(x).clamp(min=-0.5)
        return self.c(5.0 * torch.tanh(self.b(y) / 5.0))


class StackedTowers(nn.Module):
    """Two layers of equal shape are stacked along a new axis, treated alike, and summed: the towers may be exchanged."""
    shape = (8, 3)

    def __init__(self, h=3):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, h), nn.Linear(3, h), nn.Linear(h, 2)

    def forward(self, x):
        return self.c(torch.tanh(torch.stack([self.a(x), self.b(x)], 1)).sum(1))


class SortedUnits(nn.Module):
    """The two largest units are read in order of size."""
    shape = (12, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.b = nn.Linear(3, h), nn.Linear(2, 2)

    def forward(self, x):
        return self.b(torch.topk(self.a(x), 2, dim=-1)[0])


class CumulativeUnits(nn.Module):
    """Running sums over units tell their order."""
    shape = (8, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.b = nn.Linear(3, h), nn.Linear(h, 2)

    def forward(self, x):
        return self.b(torch.cumsum(F.relu(self.a(x)), -1))


class OrderedRead(nn.Module):
    """Units are flipped and rolled before the residual sum: their places matter."""
    shape = (8, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.b = nn.Linear(3, h), nn.Linear(h, 2)

    def forward(self, x):
        y = F.relu(self.a(x))
        return self.b(torch.tanh(y + y.flip(-1) + torch.roll(y, 1, -1)))


class PositionGated(nn.Module):
    """A fixed table multiplies units: they are told apart, but still scale."""
    shape = (8, 3)

    def __init__(self, h=4):
        super().__init__()
        self.a, self.b = nn.Linear(3, h), nn.Linear(h, 2)

    def forward(self, x):
        return self.b(F.relu(self.a(x)) * torch.arange(1, 5).float() + F.relu(self.a(x)).sum(-1, keepdim=True))


class NarrowHead(nn.Module):
    """A residual stream of four features, two of which the last map reads."""
    shape = (8, 5)

    def __init__(self, d=4, m=3):
        super().__init__()
        self.inp, self.head = nn.Linear(5, d), nn.Linear(d, 2)
        self.f1, self.g1, self.f2, self.g2 = nn.Linear(d, m), nn.Linear(m, d), nn.Linear(d, m), nn.Linear(m, d)

    def forward(self, x):
        x = self.inp(x)
        x = x + self.g1(torch.tanh(self.f1(x)))
        x = x + self.g2(torch.tanh(self.f2(x)))
        return self.head(x)


class AlternatingGate(nn.Module):
    """Gates and values alternate along one axis, told apart by a last axis of two and by strides."""
    shape = (8, 3)

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, 6), nn.Linear(3, 8), nn.Linear(4, 3)

    def forward(self, x):
        gate, value = self.a(x).view(-1, 3, 2).unbind(-1)
        y = self.b(torch.sigmoid(gate) * value)
        return self.c(F.silu(y[:, ::2]) * y[:, 1::2])


class PostNormEncoder(nn.Module):
    """One encoder block with its norms behind the sums: between two norms of a stream the inner one's gain can follow a rotation."""
    shape = (4, 3, 4)

    def __init__(self, d=4):
        super().__init__()
        self.embed, self.n1, self.n2 = nn.Linear(4, d), nn.LayerNorm(d), nn.LayerNorm(d)
        self.q, self.k, self.v, self.o = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)
        self.up, self.down, self.head = nn.Linear(d, 5), nn.Linear(5, d), nn.Linear(d, 2)

    def forward(self, x):
        x = self.embed(x)
        scores = self.q(x) @ self.k(x).transpose(1, 2)
        x = self.n1(x + self.o(torch.softmax(scores / 2, -1) @ self.v(x)))
        return self.head(self.n2(x + self.down(F.gelu(self.up(x)))))


class NormedBranch(nn.Module):
    """A residual branch that ends in a norm, and one that begins with one."""
    shape = (12, 5)

    def __init__(self, d=5, m=4):
        super().__init__()
        self.embed, self.n1, self.n2 = nn.Linear(5, d), nn.LayerNorm(d), nn.LayerNorm(d)
        self.a, self.b, self.up, self.down, self.head = nn.Linear(d, m), nn.Linear(m, d), nn.Linear(d, m), nn.Linear(m, d), nn.Linear(d, 3)

    def forward(self, x):
        x = self.embed(x)
        x = x + self.n1(self.b(torch.tanh(self.a(x))))
        return self.head(x + self.down(torch.tanh(self.up(self.n2(x)))))


class ScatteredRouting(nn.Module):
    """The two best of three experts, their weights scattered back; a residual expert that all share."""
    shape = (24, 3)

    def __init__(self, d=3, e=3, h=2):
        super().__init__()
        self.router = nn.Linear(d, e, bias=False)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(d, h), nn.ReLU(), nn.Linear(h, d)) for _ in range(e))
        self.shared = nn.Linear(d, d)

    def forward(self, x):
        logits = self.router(x)
        best, index = torch.topk(logits, 2, dim=-1)
        weights = torch.zeros_like(logits).scatter(-1, index, torch.softmax(best, -1))
        y = self.shared(x)
        for k, expert in enumerate(self.experts):
            y = y + weights[:, k:k + 1] * expert(x)
        return y


class GatheredExperts(nn.Module):
    """The outputs of the two best experts, looked up in the outputs of all."""
    shape = (24, 3)

    def __init__(self, d=3, e=3, h=2, o=2):
        super().__init__()
        self.router = nn.Linear(d, e, bias=False)
        self.up = nn.Parameter(torch.randn(e, d, h))
        self.down = nn.Parameter(torch.randn(e, h, o))

    def forward(self, x):
        best, index = torch.topk(self.router(x), 2, dim=-1)
        y = torch.einsum("neh,eho->neo", torch.relu(torch.einsum("nd,edh->neh", x, self.up)), self.down)
        chosen = torch.gather(y, 1, index.unsqueeze(-1).expand(-1, -1, 2))
        return (torch.softmax(best, -1).unsqueeze(-1) * chosen).sum(1)


class ProductOfThree(nn.Module):
    """Three factors with the same activation, of which each multiplies several terms."""
    shape = (12, 3)

    def __init__(self, h=3):
        super().__init__()
        self.a, self.b, self.c, self.head = nn.Linear(3, h), nn.Linear(3, h), nn.Linear(3, h), nn.Linear(h, 2)

    def forward(self, x):
        return self.head(F.gelu(self.a(x)) * F.gelu(self.b(x)) * F.gelu(self.c(x)))
