"""Image models that mix several constructions, one class each. `shape` is the example input's."""
import torch
from torch import nn
import torch.nn.functional as F

from attention import attend, heads, merge


class NormedUNet(nn.Module):
    """Group norms, a strided convolution down, a transposed one up, a concatenated skip, SiLU."""
    shape = (3, 2, 4, 4)

    def __init__(self, c=2):
        super().__init__()
        self.a, self.na = nn.Conv2d(2, c, 3, padding=1), nn.GroupNorm(1, c)
        self.down, self.nd = nn.Conv2d(c, 4, 2, stride=2), nn.GroupNorm(2, 4)
        self.up, self.join, self.nj = nn.ConvTranspose2d(4, c, 2, stride=2), nn.Conv2d(2 * c, 3, 1), nn.GroupNorm(3, 3)
        self.head = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        a = F.silu(self.na(self.a(x)))
        d = F.silu(self.nd(self.down(a)))
        return self.head(F.silu(self.nj(self.join(torch.cat([a, self.up(d)], 1)))))


class ShuffledResidual(nn.Module):
    """Three groups shuffled between two grouped convolutions, batch norms, a depthwise one in between, a residual."""
    shape = (4, 6, 3, 3)

    def __init__(self, c=6):
        super().__init__()
        self.start, self.a, self.n1 = nn.Conv2d(c, c, 1, groups=3), nn.Conv2d(c, c, 1, groups=3, bias=False), nn.BatchNorm2d(c)
        self.d, self.n2 = nn.Conv2d(c, c, 3, padding=1, groups=c, bias=False), nn.BatchNorm2d(c)
        self.b, self.head = nn.Conv2d(c, c, 1, groups=3, bias=False), nn.Linear(c, 2)

    def forward(self, x):
        x = self.start(x)
        y = F.relu(self.n1(self.a(x)))
        n, c, h, w = y.shape
        y = y.view(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.head(F.relu(x + self.b(self.n2(self.d(y)))).mean((2, 3)))


class GhostFeatures(nn.Module):
    """Half of the channels come from a cheap depthwise map of the other half."""
    shape = (3, 2, 4, 4)

    def __init__(self, c=3):
        super().__init__()
        self.a, self.cheap, self.b = nn.Conv2d(2, c, 1), nn.Conv2d(c, c, 3, padding=1, groups=c), nn.Conv2d(2 * c, 2, 1)

    def forward(self, x):
        a = F.relu(self.a(x))
        return self.b(torch.cat([a, F.relu(self.cheap(a))], 1))


class AggregatedBottleneck(nn.Module):
    """A grouped bottleneck with a projected shortcut, all batch norm, squeeze-and-excite before the sum."""
    shape = (5, 2, 3, 3)

    def __init__(self, c=4, o=3):
        super().__init__()
        self.a, self.n1 = nn.Conv2d(2, c, 1, bias=False), nn.BatchNorm2d(c)
        self.b, self.n2 = nn.Conv2d(c, c, 3, padding=1, groups=2, bias=False), nn.BatchNorm2d(c)
        self.c, self.n3 = nn.Conv2d(c, o, 1, bias=False), nn.BatchNorm2d(o)
        self.s1, self.s2 = nn.Linear(o, 2), nn.Linear(2, o)
        self.short, self.n4, self.head = nn.Conv2d(2, o, 1, bias=False), nn.BatchNorm2d(o), nn.Linear(o, 2)

    def forward(self, x):
        y = F.relu(self.n2(self.b(F.relu(self.n1(self.a(x))))))
        y = self.n3(self.c(y))
        y = y * torch.sigmoid(self.s2(F.relu(self.s1(y.mean((2, 3))))))[:, :, None, None]
        return self.head(F.relu(y + self.n4(self.short(x))).mean((2, 3)))


class ModulatedConvolutions(nn.Module):
    """FiLM: batch norm without weights, gain and shift per channel from a condition, a residual."""
    shape = (4, 4, 3, 3)

    def __init__(self, c=3):
        super().__init__()
        self.a, self.b, self.norm = nn.Conv2d(2, c, 1), nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c, affine=False)
        self.film, self.head = nn.Linear(2, 2 * c), nn.Conv2d(c, 2, 1)

    def forward(self, x):
        gain, shift = self.film(x[:, 2:, 0, 0])[..., None, None].chunk(2, 1)
        x = F.relu(self.a(x[:, :2]))
        return self.head(x + F.relu(gain * self.norm(self.b(x)) + shift))


class SubPixelResidual(nn.Module):
    """PReLU per channel, sub-pixel upsampling, the upsampled input added to the output."""
    shape = (3, 1, 4, 4)

    def __init__(self, c=4):
        super().__init__()
        self.a, self.p1, self.b0, self.p2, self.b = nn.Conv2d(1, c, 3, padding=1), nn.PReLU(c), nn.Conv2d(c, 3, 1), nn.PReLU(3), nn.Conv2d(3, c, 1)
        self.up, self.c = nn.Conv2d(c, 8, 1), nn.Conv2d(2, 1, 3, padding=1)

    def forward(self, x):
        y = self.p1(self.a(x))
        y = y + self.b(self.p2(self.b0(y)))
        y = F.pixel_shuffle(self.up(y), 2)
        return self.c(y) + F.interpolate(x, scale_factor=2, mode="nearest")


class CoordinateConvolution(nn.Module):
    """Fixed coordinate planes are concatenated to the channels before each convolution."""
    shape = (3, 2, 3, 3)

    def __init__(self, c=3):
        super().__init__()
        self.a, self.b = nn.Conv2d(4, c, 1), nn.Conv2d(c + 2, 2, 1)
        line = torch.linspace(-1, 1, 3)
        self.grid = torch.stack([line[None].expand(3, 3), line[:, None].expand(3, 3)])[None]

    def forward(self, x):
        grid = self.grid.to(x).expand(x.shape[0], -1, -1, -1)
        return self.b(torch.cat([F.relu(self.a(torch.cat([x, grid], 1))), grid], 1))


class ConvolutionMixer(nn.Module):
    """Patches, depthwise with a residual inside of batch norm, pointwise, GELU."""
    shape = (4, 1, 4, 4)

    def __init__(self, c=3):
        super().__init__()
        self.patch, self.n0 = nn.Conv2d(1, c, 2, stride=2), nn.BatchNorm2d(c)
        self.depth, self.n1, self.point, self.n2 = nn.Conv2d(c, c, 3, padding=1, groups=c), nn.BatchNorm2d(c), nn.Conv2d(c, c, 1), nn.BatchNorm2d(c)
        self.head = nn.Linear(c, 3)

    def forward(self, x):
        x = self.n0(F.gelu(self.patch(x)))
        x = x + self.n1(F.gelu(self.depth(x)))
        return self.head(self.n2(F.gelu(self.point(x))).mean((2, 3)))


class PyramidPooling(nn.Module):
    """Branches of several dilations and one of the global mean, concatenated and projected."""
    shape = (3, 2, 5, 5)
    draws = 600

    def __init__(self, c=2):
        super().__init__()
        self.stem, self.a, self.b = nn.Conv2d(2, 3, 1), nn.Conv2d(3, c, 1), nn.Conv2d(3, c, 3, padding=2, dilation=2)
        self.g, self.out = nn.Conv2d(3, c, 1), nn.Conv2d(3 * c, 2, 1)

    def forward(self, x):
        x = F.relu(self.stem(x))
        g = F.relu(self.g(x.mean((2, 3), keepdim=True))).expand(-1, -1, 5, 5)
        return self.out(torch.cat([F.relu(self.a(x)), torch.tanh(self.b(x)), g], 1))


class NormedTransposed(nn.Module):
    """Weight norm over the output channels of a transposed convolution, leaky rectifiers."""
    shape = (3, 2, 3, 3)

    def __init__(self, c=3):
        super().__init__()
        self.a = nn.Conv2d(2, 4, 1)
        self.v, self.weight_g, self.bias = nn.Parameter(torch.randn(4, c, 2, 2)), nn.Parameter(torch.ones(c)), nn.Parameter(torch.zeros(c))
        self.b = nn.Conv2d(c, 2, 1)

    def forward(self, x):
        norm = self.v.pow(2).sum((0, 2, 3), keepdim=True).sqrt()
        w = self.v / norm * self.weight_g.view(1, -1, 1, 1)
        x = F.leaky_relu(self.a(x), 0.2)
        return self.b(F.leaky_relu(F.conv_transpose2d(x, w, self.bias, stride=2), 0.2))


class StyleModulation(nn.Module):
    """StyleGAN2: the style scales the input channels, a demodulation per example divides by the resulting norm."""
    shape = (3, 4, 3, 3)

    def __init__(self, c=3):
        super().__init__()
        self.start, self.style, self.w = nn.Conv2d(2, c, 1), nn.Linear(2, c), nn.Parameter(torch.randn(3, c))
        self.bias, self.head = nn.Parameter(torch.zeros(3)), nn.Conv2d(3, 2, 1)

    def forward(self, x):
        s = self.style(x[:, 2:, 0, 0])
        x = F.leaky_relu(self.start(x[:, :2]), 0.2)
        demod = torch.rsqrt((self.w.square()[None] * s.square()[:, None]).sum(-1))
        y = torch.einsum("bchw,oc->bohw", x * s[:, :, None, None], self.w) * demod[:, :, None, None]
        return self.head(F.leaky_relu(y + self.bias.view(1, -1, 1, 1), 0.2))


class NonLocalBlock(nn.Module):
    """Attention over places by 1 x 1 convolutions, batch norm before the residual."""
    shape = (3, 2, 3, 3)

    def __init__(self, c=3, e=2):
        super().__init__()
        self.start, self.q, self.k, self.v = nn.Conv2d(2, c, 1), nn.Conv2d(c, e, 1), nn.Conv2d(c, e, 1), nn.Conv2d(c, e, 1)
        self.o, self.norm, self.head = nn.Conv2d(e, c, 1), nn.BatchNorm2d(c), nn.Conv2d(c, 2, 1)

    def forward(self, x):
        x = F.relu(self.start(x))
        q, k, v = self.q(x).flatten(2), self.k(x).flatten(2), self.v(x).flatten(2)
        y = v @ torch.softmax(q.transpose(1, 2) @ k, -1).transpose(1, 2)
        return self.head(x + self.norm(self.o(y.view(x.shape[0], 2, 3, 3))))


class BlurredPooling(nn.Module):
    """A fixed depthwise low-pass filter before each stride, and a rectifier behind."""
    shape = (3, 1, 6, 6)

    def __init__(self, c=3):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(1, c, 3, padding=1), nn.Conv2d(c, c, 1, bias=False), nn.Linear(c, 2)
        k = torch.tensor([1.0, 2.0, 1.0])
        self.filter = (k[:, None] * k / 16)[None, None].repeat(c, 1, 1, 1)

    def forward(self, x):
        y = F.conv2d(F.relu(self.a(x)), self.filter.to(x), stride=2, padding=1, groups=3)
        return self.head(F.relu(self.b(y)).amax((2, 3)))


class FeaturePyramid(nn.Module):
    """Two scales, lateral maps, the coarse one added to the fine one, one head for both."""
    shape = (3, 1, 4, 4)

    def __init__(self, c=3, p=2):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, c, 3, padding=1), nn.Conv2d(c, c, 2, stride=2)
        self.la, self.lb, self.head = nn.Conv2d(c, p, 1), nn.Conv2d(c, p, 1), nn.Conv2d(p, 2, 1)

    def forward(self, x):
        a = F.relu(self.a(x))
        b = F.relu(self.b(a))
        coarse = self.lb(b)
        fine = self.la(a) + F.interpolate(coarse, scale_factor=2, mode="nearest")
        return self.head(F.relu(fine)), self.head(F.relu(coarse))


class WindowedAttention(nn.Module):
    """Swin: 2 x 2 windows of 4 x 4 places after a cyclic shift, relative biases, two heads."""
    shape = (2, 4, 4, 4)

    def __init__(self, d=4):
        super().__init__()
        self.embed, self.norm, self.qkv, self.o = nn.Linear(4, d), nn.LayerNorm(d), nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.table, self.head = nn.Parameter(torch.randn(9, 2)), nn.Linear(d, 5)
        at = torch.stack(torch.meshgrid(torch.arange(2), torch.arange(2), indexing="ij")).flatten(1)
        relative = (at[:, :, None] - at[:, None, :] + 1).permute(1, 2, 0)
        self.index = relative[..., 0] * 3 + relative[..., 1]

    def forward(self, x):
        x = self.embed(x)
        b, h, w, d = x.shape
        y = torch.roll(self.norm(x), (-1, -1), (1, 2))
        y = y.view(b, 2, 2, 2, 2, d).transpose(2, 3).reshape(b * 4, 4, d)
        q, k, v = self.qkv(y).reshape(b * 4, 4, 3, 2, d // 2).permute(2, 0, 3, 1, 4)
        s = q @ k.transpose(-2, -1) / 2 ** 0.5 + self.table[self.index.view(-1)].view(4, 4, 2).permute(2, 0, 1)
        y = self.o(merge(torch.softmax(s, -1) @ v))
        y = y.view(b, 2, 2, 2, 2, d).transpose(2, 3).reshape(b, h, w, d)
        return self.head(x + torch.roll(y, (1, 1), (1, 2)))


class ConvolutionalLstm(nn.Module):
    """An LSTM whose gates are padded convolutions, two steps, the last state pooled."""
    shape = (3, 2, 1, 3, 3)

    def __init__(self, h=2):
        super().__init__()
        self.gates, self.head, self.h = nn.Conv2d(1 + h, 4 * h, 3, padding=1), nn.Linear(h, 2), h

    def forward(self, x):
        h = c = torch.zeros(x.shape[0], self.h, 3, 3, dtype=x.dtype)
        for t in range(2):
            i, f, o, g = self.gates(torch.cat([x[:, t], h], 1)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return self.head(h.mean((2, 3)))


class SelectiveKernels(nn.Module):
    """Two kernels per channel, weighed by a softmax over the kernels."""
    shape = (3, 2, 4, 4)

    def __init__(self, c=3, r=2):
        super().__init__()
        self.a, self.b = nn.Conv2d(2, c, 3, padding=1), nn.Conv2d(2, c, 1)
        self.z, self.select, self.head = nn.Linear(c, r), nn.Linear(r, 2 * c), nn.Conv2d(c, 2, 1)

    def forward(self, x):
        a, b = F.relu(self.a(x)), F.relu(self.b(x))
        s = self.select(F.relu(self.z((a + b).mean((2, 3))))).view(x.shape[0], 2, -1)
        s = torch.softmax(s, 1)[..., None, None]
        return self.head(a * s[:, 0] + b * s[:, 1])


class ClassTokenTransformer(nn.Module):
    """Patches and a class token in one block of attention with a fused projection; the head reads the class token alone."""
    shape = (3, 2, 4, 4)

    def __init__(self, d=4, m=5):
        super().__init__()
        self.patch, self.token, self.places = nn.Conv2d(2, d, 2, 2), nn.Parameter(torch.randn(1, 1, d)), nn.Parameter(torch.randn(1, 5, d))
        self.n1, self.qkv, self.o = nn.LayerNorm(d), nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.n2, self.fc1, self.fc2 = nn.LayerNorm(d), nn.Linear(d, m), nn.Linear(m, d)
        self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, 3)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        q, k, v = self.qkv(self.n1(x)).reshape(x.shape[0], 5, 3, 2, -1).permute(2, 0, 3, 1, 4)
        x = x + self.o(merge(attend(q, k, v)))
        x = x + self.fc2(F.gelu(self.fc1(self.n2(x))))
        return self.head(self.norm(x)[:, 0])


class ClassTokenPlain(nn.Module):
    """The same without norms behind attention, and with projections of their own: one vector is all that the queries' weights meet."""
    shape = (3, 4, 3)

    def __init__(self, d=4):
        super().__init__()
        self.embed, self.token, self.n = nn.Linear(3, d), nn.Parameter(torch.randn(1, 1, d)), nn.LayerNorm(d)
        self.q, self.k, self.v, self.o = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)
        self.fc, self.head = nn.Linear(d, 5), nn.Linear(5, 3)

    def forward(self, x):
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), self.embed(x)], 1)
        y = self.n(x)
        x = x + self.o(merge(attend(heads(self.q(y), 2), heads(self.k(y), 2), heads(self.v(y), 2))))
        return self.head(F.gelu(self.fc(x)))[:, 0]


class AffineResidual(nn.Module):
    """ResMLP: gains and shifts in the place of norms, a linear map along the patches, layer scale."""
    shape = (3, 4, 3)

    def __init__(self, n=4, d=3, m=4):
        super().__init__()
        self.embed, self.tok, self.f1, self.f2, self.head = nn.Linear(3, d), nn.Linear(n, n), nn.Linear(d, m), nn.Linear(m, d), nn.Linear(d, 2)
        self.a1, self.b1, self.a2, self.b2 = (nn.Parameter(torch.ones(d)) for _ in range(4))
        self.l1, self.l2, self.a3, self.b3 = (nn.Parameter(torch.ones(d)) for _ in range(4))

    def forward(self, x):
        x = self.embed(x)
        x = x + self.l1 * self.tok((self.a1 * x + self.b1).transpose(1, 2)).transpose(1, 2)
        x = x + self.l2 * self.f2(F.gelu(self.f1(self.a2 * x + self.b2)))
        return self.head((self.a3 * x + self.b3).mean(1))


class ConvolutionalAttention(nn.Module):
    """CBAM: one perceptron without biases on the mean and the maximum of each channel, a convolution of both over places."""
    shape = (3, 2, 5, 5)
    draws = 20

    def __init__(self, c=4, r=2):
        super().__init__()
        self.conv, self.fc1, self.fc2 = nn.Conv2d(2, c, 3, padding=1), nn.Linear(c, r, bias=False), nn.Linear(r, c, bias=False)
        self.spatial, self.head = nn.Conv2d(2, 1, 3, padding=1, bias=False), nn.Conv2d(c, 2, 1)

    def forward(self, x):
        x = F.relu(self.conv(x))
        a = self.fc2(F.relu(self.fc1(x.mean((2, 3))))) + self.fc2(F.relu(self.fc1(x.amax((2, 3)))))
        x = x * torch.sigmoid(a)[:, :, None, None]
        s = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)
        return self.head(x * torch.sigmoid(self.spatial(s)))


class DepthwiseShortcut(nn.Module):
    """A ghost module, and a shortcut that is depthwise on the image itself: its gain stands on the image's channels."""
    shape = (3, 2, 4, 4)

    def __init__(self):
        super().__init__()
        self.p, self.n = nn.Conv2d(2, 2, 1, bias=False), nn.BatchNorm2d(2)
        self.d, self.m = nn.Conv2d(2, 2, 3, padding=1, groups=2, bias=False), nn.BatchNorm2d(2)
        self.sd, self.sn, self.sp, self.sm = nn.Conv2d(2, 2, 3, padding=1, groups=2, bias=False), nn.BatchNorm2d(2), nn.Conv2d(2, 4, 1, bias=False), nn.BatchNorm2d(4)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        a = torch.tanh(self.n(self.p(x)))
        y = torch.cat([a, self.m(self.d(a))], 1)
        return self.head(y + self.sm(self.sp(self.sn(self.sd(x)))))
