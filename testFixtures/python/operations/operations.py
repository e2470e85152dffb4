"""One small module per group of operations; expected.json holds what PyTorch computes (see generate.py)."""
import math

import torch
import torch.nn.functional as F
from torch import nn

INPUTS = {}


def takes(*shapes):
    def mark(cls):
        INPUTS[cls.__name__] = shapes
        return cls

    return mark


@takes((2, 3, 4))
class Pointwise(nn.Module):
    def forward(self, x):
        y = x.exp().add(1.0).log() + torch.sqrt(x.abs()) - x.sin() * x.cos() / 2 + x.tanh() ** 3
        z = torch.sigmoid(x).mul(2) - torch.erf(x) + x.square() + torch.rsqrt(x.abs() + 1) + torch.reciprocal(x.abs() + 1)
        return y, z, x.neg() + x.sign() + x.floor() + x.ceil() + x.round() + torch.expm1(x) + torch.log1p(x.abs()), torch.atan(x) + torch.trunc(x * 3)


@takes((2, 3, 4))
class Activations(nn.Module):
    def forward(self, x):
        return (
            F.relu(x) + F.leaky_relu(x, 0.2) + F.elu(x) + F.selu(x) + F.celu(x, 0.5) + F.gelu(x) + F.gelu(x, approximate="tanh"),
            F.silu(x) + F.mish(x) + F.hardswish(x) + F.hardsigmoid(x) + F.hardtanh(x, -0.5, 0.5) + F.relu6(x * 8) + F.softplus(x) + F.softplus(x, beta=2),
            F.softsign(x) + F.logsigmoid(x) + F.tanhshrink(x) + F.softshrink(x) + F.hardshrink(x) + F.threshold(x, 0.1, 0.3),
            F.glu(x, dim=-1),
        )


@takes((2, 3, 4))
class Reductions(nn.Module):
    def forward(self, x):
        return (
            x.mean(), x.sum(1), x.mean((0, 2), keepdim=True), x.max(dim=-1)[0], x.min(dim=1, keepdim=True).values, x.prod(dim=1), x.std(dim=-1),
            x.var(dim=(1, 2), unbiased=False), x.norm(dim=-1), x.norm(p=1, dim=1), torch.linalg.norm(x, dim=-1, keepdim=True), x.logsumexp(dim=1),
            x.amax(dim=(1, 2)), torch.var_mean(x, dim=1)[1], x.cumsum(dim=1), F.normalize(x, dim=1), F.cosine_similarity(x, x.flip(0), dim=-1),
            x.softmax(-1), F.log_softmax(x, dim=1), F.softmin(x, dim=0), x.topk(2, dim=-1)[0], x.sort(dim=1)[0], x.argmax(-1).float(), (x > 0).any(dim=1).float(),
        )


@takes((2, 3, 4))
class Shapes(nn.Module):
    def forward(self, x):
        a, b = x.chunk(2, dim=-1)
        c, d = x.split([1, 2], dim=1)
        return (
            x.permute(2, 0, 1), x.transpose(0, 2), x.reshape(-1, 4), x.view(2, 12), x.flatten(1), x.unflatten(-1, (2, 2)), x.unsqueeze(1).squeeze(1),
            torch.cat([a, b], dim=0), torch.stack([a, b], dim=1), d - c, x.expand(2, 3, 4).contiguous(), x.repeat(1, 2, 1), x.repeat_interleave(2, dim=1),
            x.roll(1, dims=-1), x.roll((1, 2), dims=(1, 2)), x.flip(-1), torch.tile(x, (2, 1)), x.movedim(0, -1), x.narrow(2, 1, 2), x.select(1, 0),
            torch.stack(x.unbind(1)), x[:, None].expand(-1, 2, -1, -1), x.swapaxes(0, 1), x.mT, torch.broadcast_to(x[:, :1], (2, 3, 4)),
        )


@takes((3, 5, 6))
class Indexing(nn.Module):
    def forward(self, x):
        y = x.clone()
        y[:, 0] = 0
        y[..., -1] = y[..., -1] * 2
        y[1:, 2:4, ::2] = 5.0
        z = x.clone()
        z[z > 0.5] = -1
        w = torch.zeros_like(x)
        w[:, 1:3] += x[:, 1:3]
        i = torch.tensor([2, 0])
        return (
            x[0], x[:, 1], x[..., 2], x[:, -1, 1:4], x[::2], x[:, ::2, 1::2], x[None, :, 0], x[i], x[:, i], x[:, [0, 2], [1, 3]], x[i, :, i], y, z, w,
            x[..., None, :], torch.where(x > 0, x, -x), x.masked_fill(x < 0, 7.0), x.index_select(1, i), x.gather(2, (x[..., :2] > 0).long()),
            x[torch.arange(3), torch.arange(3)], torch.take_along_dim(x, (x[..., :1] > 0).long(), dim=2), x.tril(), x.triu(1), x.diagonal(dim1=1, dim2=2) if False else x[0],
        )


@takes((2, 3, 4))
class Scatter(nn.Module):
    def forward(self, x):
        i = (x > 0).long()
        return torch.zeros_like(x).scatter(1, i, x), torch.zeros_like(x).scatter_add(2, i, x), F.one_hot(i, 3).float(), x.unfold(2, 2, 1), x.scatter(1, i, 2.0)


@takes((2, 3, 4), (2, 4, 5))
class Contractions(nn.Module):
    def forward(self, x, y):
        return (
            x @ y, torch.bmm(x, y), torch.einsum("bij,bjk->bik", x, y), torch.einsum("bij,bjk", x, y), torch.einsum("b i j -> b j i", x), torch.matmul(x[0], y[0, :, 0]),
            torch.baddbmm(x[..., :1], x, y), torch.tensordot(x, y[0], dims=([2], [0])), torch.outer(x[0, 0], y[0, 0]), torch.addmm(x[0, :, :1], x[0], y[0]),
        )


@takes((2, 4, 9, 8))
class Images(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.b = nn.Conv2d(6, 6, 3, padding="same", groups=3, dilation=2, bias=False)
        self.c = nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1)
        self.d = nn.Conv2d(4, 2, (1, 3), padding=(0, 1), padding_mode="reflect")
        self.e = nn.Conv2d(4, 2, 3, padding=1, padding_mode="circular")

    def forward(self, x):
        y = self.c(self.b(self.a(x)))
        return (
            y, self.d(x), self.e(x), F.max_pool2d(x, 3, 2, 1), F.max_pool2d(x, 2, ceil_mode=True), F.avg_pool2d(x, 3, 2, 1), F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
            F.adaptive_avg_pool2d(x, 1), F.adaptive_avg_pool2d(x, (3, 4)), F.adaptive_avg_pool2d(x, (4, 3)), F.adaptive_max_pool2d(x, (3, 4)),
            F.interpolate(x, scale_factor=2, mode="nearest"), F.interpolate(x, size=(5, 6), mode="bilinear", align_corners=False),
            F.interpolate(x, size=(12, 10), mode="bilinear", align_corners=True), F.pad(x, (1, 2, 0, 1)), F.pad(x, (1, 1, 2, 0), mode="reflect"), F.pad(x, (2, 1, 1, 0), mode="replicate"),
            F.unfold(x, 3, padding=1, stride=2), F.pixel_shuffle(x, 2), F.pixel_unshuffle(x[:, :, :8], 2), F.channel_shuffle(x, 2) if False else x[:1],
        )


@takes((2, 6, 5, 4))
class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(6)
        self.gn = nn.GroupNorm(3, 6)
        self.inn = nn.InstanceNorm2d(6, affine=True)
        self.ln = nn.LayerNorm((5, 4))
        self.plain = nn.BatchNorm2d(6, affine=False)

    def forward(self, x):
        return self.bn(x), self.gn(x), self.inn(x), self.ln(x), self.plain(x), F.layer_norm(x, (4,)), F.instance_norm(x), F.group_norm(x, 2)


@takes((2, 5, 6))
class Sequences(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 4, num_layers=2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(6, 3, batch_first=True)
        self.rnn = nn.RNN(6, 3, nonlinearity="relu", batch_first=True)
        self.cell = nn.LSTMCell(6, 4)
        self.gcell = nn.GRUCell(6, 4)
        self.conv = nn.Conv1d(6, 4, 3, padding=1)
        self.bn = nn.BatchNorm1d(4)

    def forward(self, x):
        a, (h, c) = self.lstm(x)
        b, hb = self.gru(x)
        d, _ = self.rnn(x)
        state = self.cell(x[:, 0])
        state = self.cell(x[:, 1], state)
        g = self.gcell(x[:, 0])
        g = self.gcell(x[:, 1], g)
        return a, h, c, b, hb, d, state[0], state[1], g, self.bn(self.conv(x.transpose(1, 2)))


@takes((3, 5, 8))
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.mha = nn.MultiheadAttention(8, 2, batch_first=True)
        self.cross = nn.MultiheadAttention(8, 2, kdim=4, vdim=4, batch_first=True)
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True, norm_first=True, activation="gelu")
        self.post = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True), 2)
        self.decoder = nn.TransformerDecoderLayer(8, 2, 12, dropout=0.0, batch_first=True)

    def forward(self, x):
        mask = torch.triu(torch.ones(5, 5, dtype=torch.bool), diagonal=1)
        a, w = self.mha(x, x, x, attn_mask=mask)
        b, _ = self.cross(x, x[..., :4], x[..., :4], need_weights=False)
        return a, w, b, self.layer(x), self.post(x), self.decoder(x, x.flip(1))


@takes((2, 3, 4))
class Positions(nn.Module):
    def forward(self, x):
        t = x.shape[1]
        p = torch.arange(t, dtype=torch.float32).unsqueeze(1)
        f = torch.exp(torch.arange(0, 4, 2).float() * (-math.log(100.0) / 4))
        table = torch.zeros(t, 4)
        table[:, 0::2] = torch.sin(p * f)
        table[:, 1::2] = torch.cos(p * f)
        grid = torch.stack(torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij"), dim=-1).reshape(6, 2).float()
        mask = torch.tril(torch.ones(t, t)) == 0
        scores = (x @ x.transpose(1, 2)).masked_fill(mask, float("-inf")).softmax(-1)
        return x + table, grid.sum() + x, scores, torch.linspace(0, 1, 4) * x, torch.eye(4)[1] * x, torch.full((4,), 2.0) + x


@takes((4, 3), (4, 3))
class Losses(nn.Module):
    def forward(self, x, y):
        t = (y > 0).long()[:, 0]
        return (
            F.cross_entropy(x, t), F.mse_loss(x, y), F.l1_loss(x, y, reduction="sum"), F.smooth_l1_loss(x, y), F.binary_cross_entropy_with_logits(x, (y > 0).to(x.dtype)),
            F.nll_loss(F.log_softmax(x, -1), t), F.kl_div(F.log_softmax(x, -1), F.softmax(y, -1), reduction="sum"), nn.HuberLoss(delta=0.5)(x, y), F.binary_cross_entropy(torch.sigmoid(x), (y > 0).to(x.dtype)),
        )


@takes((2, 6))
class Parametrised(nn.Module):
    def __init__(self):
        super().__init__()
        self.wn = nn.utils.weight_norm(nn.Linear(6, 4))
        self.pr = nn.PReLU(4)
        self.bi = nn.Bilinear(4, 6, 3)

    def forward(self, x):
        y = self.pr(self.wn(x))
        return y, self.bi(y, x)


@takes((2, 3, 4))
class InPlace(nn.Module):
    def forward(self, x):
        y = x * 1.0
        y += 1
        y.mul_(2).sub_(0.5)
        v = y.view(2, 12)
        v[:, 0] = 9
        r = x.clone()
        F.relu(r, inplace=True)
        s = x.clone()
        s.clamp_(-0.3, 0.4)
        t = s.transpose(1, 2)
        t[0] += 1
        return y, r, s, t


@takes((2, 5, 8))
class Complex(nn.Module):
    def forward(self, x):
        z = torch.view_as_complex(x.reshape(2, 5, 4, 2))
        angles = torch.outer(torch.arange(5).to(x.dtype), 1.0 / (100.0 ** (torch.arange(4).to(x.dtype) / 4)))
        turned = z * torch.polar(torch.ones_like(angles), angles)[None]
        w = torch.complex(x[..., :4], x[..., 4:])
        s = (turned + w) / (w + 2.0) - z.conj() * 0.5
        both = torch.cat([turned, w], dim=1)
        return torch.view_as_real(turned).flatten(2), s.abs(), torch.view_as_real(s), both.real.sum(1), turned.angle()


@takes((2, 3, 12))
class Fourier(nn.Module):
    def forward(self, x):
        half = torch.fft.rfft(x, dim=-1)
        back = torch.fft.irfft(half * 2.0, n=12, dim=-1)
        ortho = torch.fft.fft(x, dim=1, norm="ortho")
        plane = torch.fft.rfft2(x, norm="forward")
        again = torch.fft.irfft2(plane, s=(3, 12), norm="forward")
        mixed = torch.fft.fft(torch.fft.fft(x, dim=-1), dim=-2).real
        window = torch.hann_window(8, dtype=x.dtype)
        spectrum = torch.stft(x[:, 0].repeat(1, 3), 8, 4, window=window, return_complex=True)
        wave = torch.istft(spectrum, 8, 4, window=window, length=36)
        return half.abs(), back, ortho.abs(), torch.view_as_real(plane), again, mixed, spectrum.abs(), wave


@takes((4, 3, 5))
class Indexed(nn.Module):
    def forward(self, x):
        rows = torch.tensor([2, 0, 2])
        added = torch.zeros_like(x).index_add(0, rows, x[:3])
        copied = x.index_copy(1, torch.tensor([1]), x[:, :1] * 2)
        filled = x.index_fill(2, torch.tensor([0, 4]), -1.0)
        most = torch.full((4, 3, 2), -9.0, dtype=x.dtype).scatter_reduce(2, torch.tensor([0, 1, 0, 1, 1]).expand(4, 3, 5), x, "amax")
        products = torch.cumprod(x, dim=1)
        angle = torch.atan2(x[..., 0], x[..., 1])
        y = x.clone()
        y[torch.tensor([0, 3]), torch.tensor([1, 2])] = 7.0
        y[[1, 2], 0] += 1.0
        vectors = x[:, :, :3]
        return (added, copied, filled, most, products, angle, y, torch.cross(vectors, vectors.flip(0), dim=2),
                torch.kron(x[0], x[1, :2]), torch.rot90(x, 1, (1, 2)), torch.rot90(x, -1, (1, 2)))


@takes((3, 4))
class RarePointwise(nn.Module):
    def forward(self, x):
        p = torch.sigmoid(x)
        return (
            torch.logaddexp(x, x.flip(0)), torch.logaddexp2(x, x.flip(0)), torch.logit(p), p.logit(eps=0.3), torch.special.erfc(x), torch.hypot(x, x.flip(1)),
            torch.sinc(x), torch.xlogy(p, p.flip(0)), torch.copysign(x, x.flip(0)), torch.heaviside(x, torch.zeros(1)), torch.deg2rad(x), x.rad2deg(),
            torch.ldexp(x, torch.tensor([2.0])), (~(x > 0)).float(), torch.isclose(x, x).float(), x.signbit().float(), torch.isposinf(x).float(), torch.isneginf(x).float(),
            torch.addmv(x[:, 0], p, x[0]), torch.addr(x, x[:, 0], p[0], beta=2), torch.special.xlogy(p, p),
        )


@takes((3, 4))
class RareReductions(nn.Module):
    def forward(self, x):
        low, high = torch.aminmax(x, dim=1)
        b = torch.tensor([-0.5, 0.0, 0.7])
        return (
            torch.logcumsumexp(x, 1), torch.cummax(x, 1).values, x.cummin(0)[0], low, high, torch.aminmax(x).max, x.kthvalue(2, dim=1).values, x.median(dim=0)[0],
            x.median(), torch.quantile(x, 0.3, dim=1), torch.quantile(x, torch.tensor([0.25, 0.5]), dim=1, keepdim=True), torch.quantile(x, 0.4, dim=0, interpolation="nearest"),
            torch.bucketize(x, b).float(), torch.bucketize(x, b, right=True).float(), torch.searchsorted(b, x).float(), torch.trapezoid(x, dim=1), torch.trapz(x, torch.tensor([0.0, 1.0, 3.0, 4.0])),
            torch.dist(x, x.flip(0), 3), F.pairwise_distance(x, x.flip(0)), F.pdist(x), torch.renorm(x, 2, 0, 0.5), torch.trace(x), torch.vdot(x[0], x[1]),
            torch.linalg.vecdot(x, x.flip(0)), torch.linalg.matrix_norm(x), torch.cov(x), torch.corrcoef(x), torch.inner(x, x[:2]),
        )


@takes((3, 4))
class RareShapes(nn.Module):
    def forward(self, x):
        a, b = torch.hsplit(x, 2)
        c, d, e = x.vsplit(3)
        return (
            torch.diag(x[0]), torch.diag(x[0], -1), torch.diag(x, 1), x.diagonal(-1), torch.diagonal(x.view(2, 3, 2), dim1=-2, dim2=-1), torch.diag_embed(x), torch.diag_embed(x, 1), x.diag_embed(dim1=0, dim2=2), torch.diagflat(x[0]), a * b, c + d - e, torch.dsplit(x.unsqueeze(0), 2)[1], torch.atleast_1d(x[0, 0]),
            torch.atleast_2d(x[0]), torch.atleast_3d(x), torch.column_stack([x, x[:, 0]]), torch.dstack([x, x]), torch.block_diag(a, b[:1]), torch.cartesian_prod(x[0], x[:, 0]),
            torch.select_scatter(x, x[:, 0] * 2, 1, -1), torch.slice_scatter(x, x[:, :2] * 2, 1, 0, 4, 2), torch.diagonal_scatter(x[:, :3], x[:, 0]), torch.take(x, torch.tensor([0, 7, 2])),
            x.as_strided((3, 2, 3), (4, 1, 1)), x.as_strided((2, 2), (1, 4), 2), torch.vander(x[0]), torch.vander(x[0], 3, increasing=True), x[:, :3].clone().fill_diagonal_(2.0),
            torch.matrix_power(x[:, :3], 3), torch.chain_matmul(x, x.t(), x), torch.vmap(lambda v: F.relu(v) * v.sum())(x), torch.func.vmap(torch.dot, in_dims=(1, 1))(x, x.flip(0)),
        )


@takes((3, 4))
class RareLosses(nn.Module):
    def forward(self, x):
        y, z, t = x.flip(0), x.flip(1), torch.tensor([1.0, -1.0, 1.0])
        return (
            F.triplet_margin_loss(x, y, z, reduction="none"), F.triplet_margin_loss(x, y, z, swap=True), F.margin_ranking_loss(x[:, 0], y[:, 0], t, 0.1), F.cosine_embedding_loss(x, y, t, 0.2),
            F.hinge_embedding_loss(x[:, 0], t), F.soft_margin_loss(x[:, 0], t), F.poisson_nll_loss(x, y.abs()), F.gaussian_nll_loss(x, y, z.abs()),
            F.lp_pool1d(x.unsqueeze(1), 2, 2), F.lp_pool2d(x.unsqueeze(0).unsqueeze(0), 2, (2, 2), 1),
        )


@takes((2, 3, 6))
class RareLayers(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.LazyConv1d(4, 3, padding=1), nn.LazyBatchNorm1d()
        self.distance, self.pool = nn.PairwiseDistance(keepdim=True), nn.LPPool1d(2, 2)
        self.lstm = nn.LSTM(6, 4, num_layers=2, bidirectional=True, batch_first=True, proj_size=2)
        self.bag, self.mean = nn.EmbeddingBag(7, 3, mode="sum"), nn.EmbeddingBag(7, 3)
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(6, 9, [3, 5], div_value=2.0)
        self.inner = nn.Linear(6, 2)

    def forward(self, x):
        h = self.norm(self.conv(x))
        i, o = torch.tensor([1, 2, 5, 3, 0]), torch.tensor([0, 3])
        y, (hn, cn) = self.lstm(x)
        other = {n: p * 2 for n, p in self.inner.named_parameters()}
        return (
            h, self.distance(x, x.flip(1)), self.pool(x), y, hn, cn, self.bag(i, o), self.mean(i, o), self.bag(i.view(1, 5), per_sample_weights=torch.arange(5.0).view(1, 5)),
            self.softmax.log_prob(x[0]), torch.func.functional_call(self.inner, other, (x,)), self.inner(x),
        )
