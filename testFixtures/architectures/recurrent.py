"""Recurrent networks, state spaces and networks with tied steps, one class each. `shape` is the example input's."""
import torch
from torch import nn
import torch.nn.functional as F


class RnnCellUnrolled(nn.Module):
    """A tanh cell written out by hand, three steps."""
    shape = (6, 3, 2)

    def __init__(self, n=4):
        super().__init__()
        self.inp, self.rec, self.head = nn.Linear(2, n), nn.Linear(n, n, bias=False), nn.Linear(n, 2)

    def forward(self, x):
        h = torch.tanh(self.inp(x[:, 0]))
        for t in range(1, 3):
            h = torch.tanh(self.inp(x[:, t]) + self.rec(h))
        return self.head(h)


class RnnReluOperator(nn.Module):
    """The recurrent weight is conjugated by the unit's own scale."""
    shape = (6, 4, 2)

    def __init__(self, n=4):
        super().__init__()
        self.rnn, self.head = nn.RNN(2, n, nonlinearity="relu", batch_first=True), nn.Linear(n, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


class RnnBidirectional(nn.Module):
    shape = (6, 3, 2)

    def __init__(self, n=3):
        super().__init__()
        self.rnn = nn.RNN(2, n, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * n, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


class GruBidirectional(nn.Module):
    shape = (3, 6, 2)

    def __init__(self, n=2):
        super().__init__()
        self.rnn = nn.GRU(2, n, bidirectional=True)
        self.head = nn.Linear(2 * n, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


class LstmTwoLayers(nn.Module):
    shape = (6, 3, 2)

    def __init__(self, n=2):
        super().__init__()
        self.rnn, self.head = nn.LSTM(2, n, num_layers=2, batch_first=True), nn.Linear(n, 2)

    def forward(self, x):
        y, (h, c) = self.rnn(x)
        return self.head(y[:, -1]) + self.head(h[0])


class LstmProjected(nn.Module):
    """The state passes a linear projection before it recurs."""
    shape = (6, 3, 2)

    def __init__(self, n=3, p=2):
        super().__init__()
        self.n, self.p = n, p
        self.inp, self.rec = nn.Linear(2, 4 * n), nn.Linear(p, 4 * n, bias=False)
        self.proj, self.head = nn.Linear(n, p, bias=False), nn.Linear(p, 2)

    def forward(self, x):
        h, c = x.new_zeros(6, self.p), x.new_zeros(6, self.n)
        for t in range(3):
            i, f, g, o = (self.inp(x[:, t]) + self.rec(h)).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = self.proj(torch.sigmoid(o) * torch.tanh(c))
        return self.head(h)


class MinimalGatedUnit(nn.Module):
    """One gate, by hand, with the reset inside of the recurrent product."""
    shape = (6, 3, 2)

    def __init__(self, n=3):
        super().__init__()
        self.f, self.c, self.head = nn.Linear(2 + n, n), nn.Linear(2 + n, n), nn.Linear(n, 2)
        self.n = n

    def forward(self, x):
        h = x.new_zeros(6, self.n)
        for t in range(3):
            f = torch.sigmoid(self.f(torch.cat([x[:, t], h], 1)))
            c = torch.tanh(self.c(torch.cat([x[:, t], f * h], 1)))
            h = (1 - f) * h + f * c
        return self.head(h)


class DiagonalStateSpace(nn.Module):
    """Each state scales by itself."""
    shape = (6, 7, 3)

    def __init__(self, n=4):
        super().__init__()
        self.a = nn.Parameter(torch.rand(n))
        self.b, self.c, self.d = nn.Linear(3, n, bias=False), nn.Linear(n, 2, bias=False), nn.Linear(3, 2, bias=False)

    def forward(self, x):
        h = self.b(x[:, 0])
        out = [self.c(h) + self.d(x[:, 0])]
        for t in range(1, 7):
            h = self.a * h + self.b(x[:, t])
            out.append(self.c(h) + self.d(x[:, t]))
        return torch.stack(out, 1)


class DenseStateSpace(nn.Module):
    """A full transition matrix: GL(n) by similarity."""
    shape = (6, 7, 2)

    def __init__(self, n=3):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(n, n, bias=False), nn.Linear(2, n, bias=False), nn.Linear(n, 2, bias=False)

    def forward(self, x):
        h = self.b(x[:, 0])
        for t in range(1, 7):
            h = self.a(h) + self.b(x[:, t])
        return self.c(h)


class SelectiveStateSpace(nn.Module):
    """Mamba's scan without its convolution: input-dependent step, input and output maps."""
    shape = (4, 4, 3)

    def __init__(self, d=3, n=2):
        super().__init__()
        self.up, self.gate, self.down = nn.Linear(3, d, bias=False), nn.Linear(3, d, bias=False), nn.Linear(d, 2, bias=False)
        self.dt, self.b, self.c = nn.Linear(d, d), nn.Linear(d, n, bias=False), nn.Linear(d, n, bias=False)
        self.log_a, self.skip = nn.Parameter(torch.randn(d, n)), nn.Parameter(torch.ones(d))

    def forward(self, x):
        u = F.silu(self.up(x))
        dt, b, c = F.softplus(self.dt(u)), self.b(u), self.c(u)
        a = -torch.exp(self.log_a)
        h, out = 0, []
        for t in range(4):
            step = dt[:, t].unsqueeze(-1)
            h = torch.exp(step * a) * h + step * b[:, t].unsqueeze(1) * u[:, t].unsqueeze(-1)
            out.append((h * c[:, t].unsqueeze(1)).sum(-1) + self.skip * u[:, t])
        return self.down(torch.stack(out, 1) * F.silu(self.gate(x)))


class ComplexStateSpace(nn.Module):
    """Pairs of states that rotate and decay: one complex number per pair."""
    shape = (6, 7, 3)

    def __init__(self, n=2):
        super().__init__()
        self.re, self.im = nn.Parameter(torch.rand(n)), nn.Parameter(torch.rand(n))
        self.b_re, self.b_im = nn.Linear(3, n, bias=False), nn.Linear(3, n, bias=False)
        self.c_re, self.c_im = nn.Linear(n, 2, bias=False), nn.Linear(n, 2, bias=False)

    def forward(self, x):
        a, b = self.b_re(x[:, 0]), self.b_im(x[:, 0])
        for t in range(1, 7):
            a, b = self.re * a - self.im * b + self.b_re(x[:, t]), self.re * b + self.im * a + self.b_im(x[:, t])
        return self.c_re(a) - self.c_im(b)


class LinearAttentionState(nn.Module):
    """RetNet's recurrence: a matrix state with one fixed decay."""
    shape = (4, 4, 3)

    def __init__(self, d=2):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(3, d, bias=False), nn.Linear(3, d, bias=False), nn.Linear(3, d, bias=False)
        self.o = nn.Linear(d, 3, bias=False)

    def forward(self, x):
        q, k, v = self.q(x), self.k(x), self.v(x)
        s, out = 0, []
        for t in range(4):
            s = 0.9 * s + k[:, t].unsqueeze(-1) * v[:, t].unsqueeze(1)
            out.append(torch.einsum("bk,bkv->bv", q[:, t], s))
        return self.o(torch.stack(out, 1))


class EulerSteps(nn.Module):
    """A residual tanh field applied four times with the same weights."""
    shape = (8, 3)

    def __init__(self, n=4):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(3, n), nn.Linear(n, 3), nn.Linear(3, 2)

    def forward(self, x):
        for _ in range(4):
            x = x + 0.25 * self.b(torch.tanh(self.a(x)))
        return self.head(x)


class TiedLinearSteps(nn.Module):
    """Encode, apply one linear map up to twice, decode each time: GL(n) acts by similarity on the middle."""
    shape = (8, 6)

    def __init__(self, n=3):
        super().__init__()
        self.a, self.m, self.b = nn.Linear(6, n, bias=False), nn.Linear(n, n, bias=False), nn.Linear(n, 5, bias=False)

    def forward(self, x):
        h = self.a(x)
        return torch.cat([self.b(h), self.b(self.m(h)), self.b(self.m(self.m(h)))], 1)


class MultiplicativeRnn(nn.Module):
    """The recurrence is a product of two linear maps (factored third-order tensor)."""
    shape = (6, 3, 2)

    def __init__(self, n=3, f=3):
        super().__init__()
        self.inp, self.fx, self.fh = nn.Linear(2, n), nn.Linear(2, f, bias=False), nn.Linear(n, f, bias=False)
        self.hf, self.head = nn.Linear(f, n, bias=False), nn.Linear(n, 2)

    def forward(self, x):
        h = torch.tanh(self.inp(x[:, 0]))
        for t in range(1, 3):
            h = torch.tanh(self.inp(x[:, t]) + self.hf(self.fx(x[:, t]) * self.fh(h)))
        return self.head(h)


class QuasiRecurrent(nn.Module):
    """Convolutions in time make gate and candidate, an element-wise recurrence pools them."""
    shape = (4, 3, 5)

    def __init__(self, n=3):
        super().__init__()
        self.z, self.f, self.head = nn.Conv1d(3, n, 2), nn.Conv1d(3, n, 2), nn.Linear(n, 2)

    def forward(self, x):
        z, f = torch.tanh(self.z(x)), torch.sigmoid(self.f(x))
        h = (1 - f[:, :, 0]) * z[:, :, 0]
        for t in range(1, 4):
            h = f[:, :, t] * h + (1 - f[:, :, t]) * z[:, :, t]
        return self.head(h)
