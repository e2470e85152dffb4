"""Numbers of several parts in separate tensors (complex, quaternions), what turns them, and weights with structure."""
import torch
import torch.nn.functional as F
from torch import nn


class LinearRecurrentUnit(nn.Module):
    """LRU: a complex diagonal in exponential parametrisation, normalised input, the real part comes out."""
    shape = (3, 4, 3)

    def __init__(self, n=2, d=3):
        super().__init__()
        self.nu_log, self.theta_log, self.gamma_log = (nn.Parameter(torch.randn(n) * 0.3) for _ in range(3))
        self.b_re, self.b_im = nn.Parameter(torch.randn(n, d)), nn.Parameter(torch.randn(n, d))
        self.c_re, self.c_im = nn.Parameter(torch.randn(d, n)), nn.Parameter(torch.randn(d, n))
        self.d = nn.Parameter(torch.randn(d))

    def forward(self, u):
        r, th, g = torch.exp(-torch.exp(self.nu_log)), torch.exp(self.theta_log), torch.exp(self.gamma_log)[:, None]
        a, b = r * torch.cos(th), r * torch.sin(th)
        re, im = u @ (self.b_re * g).t(), u @ (self.b_im * g).t()
        p = q = torch.zeros_like(re[:, 0])
        out = []
        for t in range(u.shape[1]):
            p, q = a * p - b * q + re[:, t], a * q + b * p + im[:, t]
            out.append(p @ self.c_re.t() - q @ self.c_im.t() + self.d * u[:, t])
        return torch.stack(out, 1)


class UnitaryRnn(nn.Module):
    """Learned angles turn pairs at every step; modReLU; the parts are concatenated for the head."""
    shape = (4, 3, 3)

    def __init__(self, n=2):
        super().__init__()
        self.re, self.im = nn.Linear(3, n, bias=False), nn.Linear(3, n, bias=False)
        self.theta, self.b = nn.Parameter(torch.randn(n)), nn.Parameter(torch.rand(n))
        self.head, self.n = nn.Linear(2 * n, 2), n

    def forward(self, x):
        p = q = torch.zeros(x.shape[0], self.n, dtype=x.dtype)
        c, s = torch.cos(self.theta), torch.sin(self.theta)
        for t in range(x.shape[1]):
            u, v = c * p - s * q + self.re(x[:, t]), s * p + c * q + self.im(x[:, t])
            size = torch.sqrt(u ** 2 + v ** 2)
            g = F.relu(size + self.b) / size
            p, q = g * u, g * v
        return self.head(torch.cat([p, q], -1))


class ComplexBottleneck(nn.Module):
    """Two complex linear maps without anything in between, and a modulus at the end."""
    shape = (12, 6)

    def __init__(self, n=2):
        super().__init__()
        self.ar, self.ai = nn.Linear(3, n, bias=False), nn.Linear(3, n, bias=False)
        self.br, self.bi = nn.Linear(n, 3, bias=False), nn.Linear(n, 3, bias=False)

    def forward(self, x):
        p, q = x.chunk(2, -1)
        p, q = self.ar(p) - self.ai(q), self.ar(q) + self.ai(p)
        p, q = self.br(p) - self.bi(q), self.br(q) + self.bi(p)
        return torch.tanh(p) + torch.sigmoid(q)


class QuaternionBottleneck(nn.Module):
    """Quaternion linear maps, one behind the other: Hamilton products of four parts."""
    shape = (12, 8)

    def __init__(self, n=1):
        super().__init__()
        self.a = nn.ParameterList(nn.Parameter(torch.randn(n, 2)) for _ in range(4))
        self.b = nn.ParameterList(nn.Parameter(torch.randn(2, n)) for _ in range(4))

    def product(self, w, x):
        f = [[F.linear(v, m) for v in x] for m in w]
        return (f[0][0] - f[1][1] - f[2][2] - f[3][3], f[0][1] + f[1][0] + f[2][3] - f[3][2],
                f[0][2] - f[1][3] + f[2][0] + f[3][1], f[0][3] + f[1][2] - f[2][1] + f[3][0])

    def forward(self, x):
        return torch.tanh(torch.cat(self.product(self.b, self.product(self.a, x.chunk(4, -1))), -1))


class ComplexAttention(nn.Module):
    """Scores are real parts of Hermitian products; values are complex too."""
    shape = (3, 4, 4)

    def __init__(self, d=2):
        super().__init__()
        self.q, self.k, self.v = (nn.ModuleList(nn.Linear(4, d, bias=False) for _ in range(2)) for _ in range(3))
        self.o = nn.ModuleList(nn.Linear(d, 2, bias=False) for _ in range(2))

    def forward(self, x):
        q, k, v = ([m(x) for m in pair] for pair in (self.q, self.k, self.v))
        a = torch.softmax(q[0] @ k[0].transpose(1, 2) + q[1] @ k[1].transpose(1, 2), -1)
        return self.o[0](a @ v[0]) - self.o[1](a @ v[1])


class SpectralOperator(nn.Module):
    """FNO block: a fixed Fourier basis, complex weights per mode in real and imaginary tensors, twice, and back."""
    shape = (4, 6, 2)
    frozen = ("c", "s")

    def __init__(self, d=2, modes=2):
        super().__init__()
        t = torch.arange(6) * (2 * torch.pi / 6) * torch.arange(1, modes + 1)[:, None]
        self.register_buffer("c", torch.cos(t))
        self.register_buffer("s", torch.sin(t))
        self.w = nn.ParameterList(nn.Parameter(torch.randn(modes, d, d)) for _ in range(4))

    def forward(self, x):
        re, im = torch.einsum("mt,btd->bmd", self.c.to(x.dtype), x), -torch.einsum("mt,btd->bmd", self.s.to(x.dtype), x)
        for r, i in ((self.w[0], self.w[1]), (self.w[2], self.w[3])):
            mul = lambda a, w: torch.einsum("bmd,mde->bme", a, w)
            re, im = mul(re, r) - mul(im, i), mul(re, i) + mul(im, r)
        y = torch.einsum("mt,bmd->btd", self.c.to(x.dtype), re) - torch.einsum("mt,bmd->btd", self.s.to(x.dtype), im)
        return torch.tanh(y)


class SplitRectifier(nn.Module):
    """Complex maps whose parts are rectified one by one: phases are no symmetry."""
    shape = (12, 4)

    def __init__(self, h=3):
        super().__init__()
        self.ar, self.ai = nn.Linear(2, h, bias=False), nn.Linear(2, h, bias=False)
        self.br, self.bi = nn.Linear(h, 2, bias=False), nn.Linear(h, 2, bias=False)

    def forward(self, x):
        p, q = x.chunk(2, -1)
        p, q = F.relu(self.ar(p) - self.ai(q)), F.relu(self.ar(q) + self.ai(p))
        return torch.cat([self.br(p) - self.bi(q), self.br(q) + self.bi(p)], 1)


class ConjugateGate(nn.Module):
    """A complex gate: one complex map times the conjugate of another, read by a third."""
    shape = (12, 6)

    def __init__(self, h=2):
        super().__init__()
        self.a, self.b = (nn.ModuleList(nn.Linear(6, h, bias=False) for _ in range(2)) for _ in range(2))
        self.c = nn.ModuleList(nn.Linear(h, 3, bias=False) for _ in range(2))

    def forward(self, x):
        (p, q), (u, v) = [m(x) for m in self.a], [m(x) for m in self.b]
        return self.c[0](p * u + q * v) - self.c[1](q * u - p * v)


class ComplexGain(nn.Module):
    """Elementwise complex gains between modulus nonlinearities, no contraction in between."""
    shape = (12, 3)

    def __init__(self, h=3):
        super().__init__()
        self.a, self.b = nn.Linear(3, h, bias=False), nn.Linear(3, h, bias=False)
        self.gr, self.gi, self.shift = (nn.Parameter(torch.randn(h)) for _ in range(3))
        self.head = nn.Linear(h, 2)

    def forward(self, x):
        u, v = self.a(x), self.b(x)
        s = torch.sigmoid(u * u + v * v + self.shift)
        u, v = s * u, s * v
        u, v = self.gr * u - self.gi * v, self.gr * v + self.gi * u
        return self.head(torch.tanh(u) + v)


class FourierKan(nn.Module):
    """Kolmogorov-Arnold layers of cosines and sines: a shift of a unit turns its coefficients."""
    shape = (12, 3)

    def __init__(self, h=2, g=2):
        super().__init__()
        self.w1, self.b1 = nn.Parameter(torch.randn(2, h, 3, g)), nn.Parameter(torch.zeros(1, h))
        self.w2, self.b2 = nn.Parameter(torch.randn(2, 2, h, g)), nn.Parameter(torch.zeros(1, 2))
        self.g = g

    def layer(self, x, w, b):
        k = torch.arange(1, self.g + 1, dtype=x.dtype).view(1, 1, 1, self.g)
        x = x.view(x.shape[0], 1, x.shape[1], 1)
        return (torch.cos(k * x) * w[0:1]).sum((-2, -1)) + (torch.sin(k * x) * w[1:2]).sum((-2, -1)) + b

    def forward(self, x):
        return self.layer(self.layer(x, self.w1, self.b1), self.w2, self.b2)


class FourierFeatures(nn.Module):
    """Learned frequencies, cosines and sines concatenated for a head."""
    shape = (12, 3)

    def __init__(self, h=3):
        super().__init__()
        self.a, self.head = nn.Linear(3, h), nn.Linear(2 * h, 2)

    def forward(self, x):
        x = self.a(x)
        return self.head(torch.cat([torch.cos(x), torch.sin(x)], -1))


class Circulant(nn.Module):
    """Circulant weights by a table of indices, two layers."""
    shape = (8, 4)

    def __init__(self, n=4):
        super().__init__()
        self.a, self.b, self.out = nn.Parameter(torch.randn(n)), nn.Parameter(torch.randn(n)), nn.Linear(n, 3)
        i = torch.arange(n)
        self.register_buffer("table", (i[:, None] - i[None]) % n)

    def forward(self, x):
        return self.out(torch.tanh(x @ self.a[self.table]) @ self.b[self.table])


class HouseholderFlow(nn.Module):
    """Two reflections: their product turns one plane, in which both mirrors may turn along."""
    shape = (8, 4)

    def __init__(self):
        super().__init__()
        self.v1, self.v2 = nn.Parameter(torch.randn(4)), nn.Parameter(torch.randn(4))
        self.s, self.t = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x):
        for v in (self.v1, self.v2):
            x = x - 2 * (x @ v)[:, None] * v / (v @ v)
        a, b = x.chunk(2, 1)
        return torch.cat([a, b * torch.exp(torch.tanh(self.s(a))) + self.t(a)], 1)
