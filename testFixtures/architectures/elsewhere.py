"""Models as an outsider would write them: learned activations, odd norms, scans, other attentions, heads on distances."""
import math

import torch
from torch import nn
import torch.nn.functional as F


class Rms(nn.Module):

    def __init__(self, d, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


class AdaptivePiecewise(nn.Module):
    """APL: relu plus learned hinges per unit."""
    shape = (16, 4)

    def __init__(self, h=4, s=2):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, h), nn.Linear(h, 3)
        self.slope, self.hinge = nn.Parameter(torch.randn(s, h)), nn.Parameter(torch.randn(s, h))

    def forward(self, x):
        z = self.fc1(x)
        y = F.relu(z)
        for s, b in zip(self.slope, self.hinge):
            y = y + s * F.relu(b - z)
        return self.fc2(y)


class Antisymmetric(nn.Module):
    """AntisymmetricRNN: W - W^T - gamma I."""
    shape = (3, 4, 2)

    def __init__(self, h=4):
        super().__init__()
        self.w, self.v, self.head, self.h = nn.Parameter(torch.randn(h, h)), nn.Linear(2, h), nn.Linear(h, 2), h

    def forward(self, x):
        h = torch.zeros(x.shape[0], self.h, dtype=x.dtype)
        a = self.w - self.w.t() - 0.1 * torch.eye(self.h, dtype=x.dtype)
        for t in range(x.shape[1]):
            h = h + 0.5 * torch.tanh(h @ a.t() + self.v(x[:, t]))
        return self.head(h)


class ChannelMixing(nn.Module):
    """RWKV channel mixing with receptance and pre-norm."""
    shape = (3, 4, 5)

    def __init__(self, d=3, m=5):
        super().__init__()
        self.embed, self.ln, self.head = nn.Linear(5, d), nn.LayerNorm(d), nn.Linear(d, 4, bias=False)
        self.mk, self.mr = nn.Parameter(torch.rand(1, 1, d)), nn.Parameter(torch.rand(1, 1, d))
        self.key, self.receptance, self.value = nn.Linear(d, m, bias=False), nn.Linear(d, d, bias=False), nn.Linear(m, d, bias=False)
        self.shift = nn.ZeroPad2d((0, 0, 1, -1))

    def forward(self, x):
        x = self.embed(x)
        y = self.ln(x)
        xx = self.shift(y)
        k = y * self.mk + xx * (1 - self.mk)
        r = y * self.mr + xx * (1 - self.mr)
        x = x + torch.sigmoid(self.receptance(r)) * self.value(torch.square(torch.relu(self.key(k))))
        return self.head(x)


class Clockwork(nn.Module):
    """Independently recurrent units (IndRNN), two layers, relu."""
    shape = (4, 5, 3)

    def __init__(self, h=4):
        super().__init__()
        self.w1, self.w2, self.head = nn.Linear(3, h), nn.Linear(h, h), nn.Linear(h, 2)
        self.u1, self.u2, self.h = nn.Parameter(torch.rand(h)), nn.Parameter(torch.rand(h)), h

    def forward(self, x):
        a = b = torch.zeros(x.shape[0], self.h, dtype=x.dtype)
        for t in range(x.shape[1]):
            a = F.relu(self.w1(x[:, t]) + self.u1 * a)
            b = F.relu(self.w2(a) + self.u2 * b)
        return self.head(b)


class CosineTemperature(nn.Module):
    """Swin v2: cosine scores, clamped log temperature per head, continuous position bias perceptron, res-post-norm."""
    shape = (2, 4, 4)

    def __init__(self, d=4, h=2):
        super().__init__()
        self.qkv = nn.Linear(4, 3 * d, bias=False)
        self.qb, self.vb = nn.Parameter(torch.zeros(d)), nn.Parameter(torch.zeros(d))
        self.ls = nn.Parameter(torch.log(10 * torch.ones(h, 1, 1)))
        self.cpb = nn.Sequential(nn.Linear(1, 5), nn.ReLU(), nn.Linear(5, h, bias=False))
        self.o, self.norm, self.h = nn.Linear(d, 4), nn.LayerNorm(4), h

    def forward(self, x):
        b, n, _ = x.shape
        qkv = F.linear(x, self.qkv.weight, torch.cat((self.qb, torch.zeros_like(self.vb), self.vb)))
        q, k, v = qkv.reshape(b, n, 3, self.h, -1).permute(2, 0, 3, 1, 4).unbind(0)
        s = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        s = s * torch.clamp(self.ls, max=math.log(100.0)).exp()
        i = torch.arange(n, dtype=x.dtype)
        r = (i[:, None] - i[None])[..., None] / 3
        s = s + 16 * torch.sigmoid(self.cpb(r)).permute(2, 0, 1)[None]
        y = (torch.softmax(s, -1) @ v).transpose(1, 2).reshape(b, n, -1)
        return x + self.norm(self.o(y))


class CrossCovariance(nn.Module):
    """XCiT: attention between channels, normalised over tokens, temperature per head."""
    shape = (2, 5, 4)

    def __init__(self, d=4, h=2):
        super().__init__()
        self.qkv, self.o, self.t, self.h = nn.Linear(4, 3 * d), nn.Linear(d, 3), nn.Parameter(torch.ones(h, 1, 1)), h

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.h, -1).permute(2, 0, 3, 4, 1)
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        a = torch.softmax(q @ k.transpose(-2, -1) * self.t, -1)
        return self.o((a @ v).permute(0, 3, 1, 2).reshape(b, n, -1))


class DotPrototypes(nn.Module):
    """The same distance expanded, and a temperature."""
    shape = (8, 4)

    def __init__(self, d=3, k=5):
        super().__init__()
        self.b, self.p, self.t = nn.Linear(4, d), nn.Parameter(torch.randn(k, d)), nn.Parameter(torch.ones(1))

    def forward(self, x):
        z = self.b(x)
        d2 = (z ** 2).sum(1, keepdim=True) - 2 * z @ self.p.t() + (self.p ** 2).sum(1)
        return -d2 * self.t


class DynamicTanh(nn.Module):
    """DyT in the place of norms, residual perceptron."""
    shape = (8, 5)

    def __init__(self, d=4, h=5):
        super().__init__()
        self.embed = nn.Linear(5, d)
        self.alpha = nn.Parameter(torch.ones(1) * 0.5)
        self.weight, self.bias = nn.Parameter(torch.ones(d)), nn.Parameter(torch.zeros(d))
        self.fc1, self.fc2 = nn.Linear(d, h), nn.Linear(h, d)
        self.head = nn.Linear(d, 3)

    def forward(self, x):
        x = self.embed(x)
        y = torch.tanh(self.alpha * x) * self.weight + self.bias
        x = x + self.fc2(F.gelu(self.fc1(y)))
        return self.head(x)


class EvoNormS0(nn.Module):
    shape = (3, 2, 4, 4)

    def __init__(self, c=4):
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, c, 3), nn.Conv2d(c, 2, 1)
        self.v, self.gamma, self.beta = (nn.Parameter(torch.rand(1, c, 1, 1) + .5) for _ in range(3))

    def forward(self, x):
        x = self.conv(x)
        b, c, h, w = x.shape
        g = x.reshape(b, 2, c // 2, h, w)
        std = torch.sqrt(g.var(dim=(2, 3, 4), keepdim=True, unbiased=False)).expand_as(g).reshape(b, c, h, w)
        x = x * torch.sigmoid(self.v * x) / std * self.gamma + self.beta
        return self.head(x)


class ForgettingAttention(nn.Module):
    """Forgetting transformer: cumulated log forget gates as a bias; output gate and RMS norm per head."""
    shape = (2, 4, 4)

    def __init__(self, d=4, h=2):
        super().__init__()
        self.q, self.k, self.v, self.g = (nn.Linear(4, d, bias=False) for _ in range(4))
        self.f, self.o, self.norm, self.h = nn.Linear(4, h), nn.Linear(d, 3, bias=False), Rms(d // h), h

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = (m(x).view(b, n, self.h, -1).transpose(1, 2) for m in (self.q, self.k, self.v))
        c = torch.cumsum(F.logsigmoid(self.f(x)), 1).transpose(1, 2)
        s = q @ k.transpose(-1, -2) * 0.7 + c[..., :, None] - c[..., None, :]
        s = s.masked_fill(torch.triu(torch.ones(n, n, dtype=torch.bool), 1), float("-inf"))
        y = self.norm(torch.softmax(s, -1) @ v).transpose(1, 2).reshape(b, n, -1)
        return self.o(y * torch.sigmoid(self.g(x)))


class GlobalResponse(nn.Module):
    """ConvNeXt V2: depthwise conv, layer norm, GELU, GRN."""
    shape = (2, 3, 4, 4)

    def __init__(self, c=3, m=4):
        super().__init__()
        self.stem = nn.Conv2d(3, c, 1)
        self.dw = nn.Conv2d(c, c, 3, padding=1, groups=c)
        self.norm = nn.LayerNorm(c)
        self.up, self.down = nn.Linear(c, m), nn.Linear(m, c)
        self.gamma, self.beta = nn.Parameter(torch.zeros(1, 1, 1, m)), nn.Parameter(torch.zeros(1, 1, 1, m))
        self.head = nn.Linear(c, 3)

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.dw(x).permute(0, 2, 3, 1))
        y = F.gelu(self.up(y))
        gx = torch.norm(y, p=2, dim=(1, 2), keepdim=True)
        nx = gx / gx.mean(dim=-1, keepdim=True)
        y = self.gamma * (y * nx) + self.beta + y
        x = x + self.down(y).permute(0, 3, 1, 2)
        return self.head(x.mean((2, 3)))


class HierarchicalGated(nn.Module):
    """HGRN: lower-bounded forget gates, output gate with norm."""
    shape = (3, 4, 3)

    def __init__(self, d=3):
        super().__init__()
        self.i, self.f, self.g, self.o = nn.Linear(3, d), nn.Linear(3, d), nn.Linear(3, d), nn.Linear(d, 2)
        self.bound = nn.Parameter(torch.zeros(d)); self.norm = nn.LayerNorm(d)

    def forward(self, x):
        lb = torch.sigmoid(self.bound)
        f = lb + (1 - lb) * torch.sigmoid(self.f(x)); i = F.silu(self.i(x))
        h, ys = torch.zeros_like(i[:, 0]), []
        for t in range(x.shape[1]):
            h = f[:, t] * h + (1 - f[:, t]) * i[:, t]
            ys.append(h)
        return self.o(self.norm(torch.stack(ys, 1)) * torch.sigmoid(self.g(x)))


class HopfieldLayer(nn.Module):
    """Stored patterns, two retrieval steps with one temperature."""
    shape = (3, 4)

    def __init__(self, d=3, n=5):
        super().__init__()
        self.q, self.store, self.beta, self.out = nn.Linear(4, d), nn.Parameter(torch.randn(n, d)), nn.Parameter(torch.tensor(1.0)), nn.Linear(d, 2)

    def forward(self, x):
        s = self.q(x)
        for _ in range(2):
            s = torch.softmax(self.beta * s @ self.store.t(), -1) @ self.store
        return self.out(s)


class MinLstm(nn.Module):
    """minLSTM with normalised gates."""
    shape = (3, 4, 3)

    def __init__(self, h=3):
        super().__init__()
        self.f, self.i, self.h, self.out = nn.Linear(3, h), nn.Linear(3, h), nn.Linear(3, h), nn.Linear(h, 2)

    def forward(self, x):
        f, i, z = torch.sigmoid(self.f(x)), torch.sigmoid(self.i(x)), self.h(x)
        f, i = f / (f + i), i / (f + i)
        h = torch.zeros_like(z[:, 0])
        for t in range(x.shape[1]):
            h = f[:, t] * h + i[:, t] * z[:, t]
        return self.out(h)


class NeuralAccumulator(nn.Module):
    """NAC: tanh times sigmoid weights."""
    shape = (12, 4)

    def __init__(self, h=3):
        super().__init__()
        self.w_hat, self.m_hat = nn.Parameter(torch.randn(h, 4)), nn.Parameter(torch.randn(h, 4))
        self.v_hat, self.n_hat = nn.Parameter(torch.randn(2, h)), nn.Parameter(torch.randn(2, h))

    def forward(self, x):
        x = F.linear(x, torch.tanh(self.w_hat) * torch.sigmoid(self.m_hat))
        return F.linear(x, torch.tanh(self.v_hat) * torch.sigmoid(self.n_hat))


class ParametricElu(nn.Module):
    """PELU with learned amplitude and width."""
    shape = (8, 4)

    def __init__(self, h=5):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, h), nn.Linear(h, 3)
        self.a, self.b = nn.Parameter(torch.rand(h) + 0.5), nn.Parameter(torch.rand(h) + 0.5)

    def forward(self, x):
        z = self.fc1(x)
        z = torch.where(z > 0, self.a / self.b * z, self.a * (torch.exp(z / self.b) - 1))
        return self.fc2(z)


class PolynomialNet(nn.Module):
    """Pi-net (NCP): products with a skip."""
    shape = (8, 4)

    def __init__(self, h=5):
        super().__init__()
        self.u1, self.u2, self.u3 = nn.Linear(4, h, bias=False), nn.Linear(4, h, bias=False), nn.Linear(4, h, bias=False)
        self.out = nn.Linear(h, 3)

    def forward(self, x):
        y = self.u1(x)
        y = self.u2(x) * y + y
        y = self.u3(x) * y + y
        return self.out(y)


class Prototypes(nn.Module):
    """Negative squared distances to learned prototypes behind a linear encoder."""
    shape = (8, 4)

    def __init__(self, d=3, k=5):
        super().__init__()
        self.a, self.b, self.p = nn.Linear(4, 5), nn.Linear(5, d), nn.Parameter(torch.randn(k, d))

    def forward(self, x):
        z = self.b(torch.tanh(self.a(x)))
        return -((z[:, None] - self.p[None]) ** 2).sum(-1)


class ScalarLstm(nn.Module):
    """sLSTM: exponential input gate with normaliser state (xLSTM)."""
    shape = (4, 5, 3)

    def __init__(self, h=3):
        super().__init__()
        self.w, self.r, self.head, self.h = nn.Linear(3, 4 * h), nn.Linear(h, 4 * h, bias=False), nn.Linear(h, 2), h

    def forward(self, x):
        z = torch.zeros(x.shape[0], self.h, dtype=x.dtype)
        h, c, n = z, z, z
        for t in range(x.shape[1]):
            zt, it, ft, ot = (self.w(x[:, t]) + self.r(h)).chunk(4, -1)
            it, ft = torch.exp(it), torch.sigmoid(ft)
            c = ft * c + it * torch.tanh(zt)
            n = ft * n + it
            h = torch.sigmoid(ot) * (c / n)
        return self.head(h)


class ScaleNormed(nn.Module):
    """ScaleNorm: one scalar gain on the unit sphere; FixNorm head."""
    shape = (3, 4, 5)

    def __init__(self, d=4, m=5):
        super().__init__()
        self.embed = nn.Linear(5, d)
        self.g1, self.g2 = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
        self.fc1, self.fc2 = nn.Linear(d, m), nn.Linear(m, d)
        self.head = nn.Linear(d, 3, bias=False)

    def forward(self, x):
        x = self.embed(x)
        y = self.g1 * x / x.norm(dim=-1, keepdim=True)
        x = x + self.fc2(F.relu(self.fc1(y)))
        y = self.g2 * F.normalize(x, dim=-1)
        return y @ F.normalize(self.head.weight, dim=-1).t()


class SigmoidAttention(nn.Module):
    """Sigmoid scores with a learned bias; ALiBi slopes; sliding window mask."""
    shape = (2, 5, 4)

    def __init__(self, d=4, h=2):
        super().__init__()
        self.q, self.k, self.v, self.o, self.h, self.b = nn.Linear(4, d), nn.Linear(4, d), nn.Linear(4, d), nn.Linear(d, 3), h, nn.Parameter(torch.zeros(h))

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = (m(x).view(b, n, self.h, -1).transpose(1, 2) for m in (self.q, self.k, self.v))
        i = torch.arange(n)
        dist = (i[None] - i[:, None]).to(x.dtype)
        s = q @ k.transpose(-1, -2) + self.b[:, None, None] + dist * torch.tensor([0.5, 0.25], dtype=x.dtype)[:, None, None]
        mask = (dist > 0) | (dist < -2)
        p = torch.sigmoid(s).masked_fill(mask, 0.0)
        return self.o((p @ v).transpose(1, 2).reshape(b, n, -1))


class Snake(nn.Module):
    shape = (8, 4)

    def __init__(self, h=5):
        super().__init__()
        self.fc1 = nn.Linear(4, h)
        self.alpha = nn.Parameter(torch.ones(h))
        self.fc2 = nn.Linear(h, 3)

    def forward(self, x):
        z = self.fc1(x)
        z = z + torch.sin(self.alpha * z) ** 2 / self.alpha
        return self.fc2(z)


class SwishBeta(nn.Module):
    shape = (8, 4)

    def __init__(self, h=5):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, h), nn.Linear(h, 3)
        self.beta = nn.Parameter(torch.ones(h))

    def forward(self, x):
        z = self.fc1(x)
        return self.fc2(z * torch.sigmoid(self.beta * z))


class ThresholdedRelu(nn.Module):
    """TLU: max(z, tau), with a bias of its own before."""
    shape = (16, 4)

    def __init__(self, h=4):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, h), nn.Linear(h, 3)
        self.tau = nn.Parameter(torch.zeros(h))

    def forward(self, x):
        return self.fc2(torch.maximum(self.fc1(x), self.tau))
