"""Small models in PyTorch. keras_models.py and the two files for Flax hold the same models under the same names."""
import math
import torch
from torch import nn
import torch.nn.functional as F


class MlpRelu(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(3, 5)
        self.fc2 = nn.Linear(5, 4)
        self.fc3 = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


class MlpTanh(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(3, 5)
        self.fc2 = nn.Linear(5, 2)

    def forward(self, x):
        return self.fc2(torch.tanh(self.fc1(x)))


class LinearChain(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 3)
        self.fc2 = nn.Linear(3, 5, bias=False)
        self.fc3 = nn.Linear(5, 2)

    def forward(self, x):
        return self.fc3(F.leaky_relu(self.fc2(self.fc1(x)), 0.2))


class ConvBn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 3, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(3, eps=1e-3)
        self.conv2 = nn.Conv2d(3, 3, 3)
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(torch.relu(self.conv2(x)), 2)
        return self.fc(x.mean((2, 3)))


class ConvFlatten(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 4, stride=2, padding=1)
        self.fc = nn.Linear(27, 2)

    def forward(self, x):
        x = F.elu(self.conv(x))
        return self.fc(x.permute(0, 2, 3, 1).flatten(1))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 1, bias=False)
        self.conv1 = nn.Conv2d(4, 3, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(3, eps=1e-3)
        self.conv2 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(4, eps=1e-3)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.stem(x)
        y = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(x + self.bn2(self.conv2(y)))
        return self.head(x.mean((2, 3)))


class Depthwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.expand = nn.Conv2d(2, 4, 1)
        self.depth = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.project = nn.Conv2d(4, 3, 1)

    def forward(self, x):
        x = torch.relu(self.expand(x))
        x = F.silu(self.depth(x))
        return self.project(x).amax((2, 3))


class Grouped(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.conv3 = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return self.conv3(torch.relu(self.conv2(torch.relu(self.conv1(x)))))


class Conv1dNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(3, 4, 3, padding=1)
        self.conv2 = nn.Conv1d(4, 3, 3, padding=2, dilation=2)
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        x = torch.relu(self.conv1(x.transpose(1, 2)))
        x = torch.tanh(self.conv2(x))
        return self.fc(x.mean(2))


class ConvAutoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(2, 3, 2, stride=2)
        self.up = nn.ConvTranspose2d(3, 4, 4, stride=2, padding=1)
        self.out = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return torch.sigmoid(self.out(torch.tanh(self.up(torch.tanh(self.down(x))))))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc1 = nn.Conv2d(2, 3, 3, padding=1)
        self.enc2 = nn.Conv2d(3, 4, 1)
        self.dec1 = nn.Conv2d(7, 3, 1)
        self.out = nn.Conv2d(3, 1, 1)

    def forward(self, x):
        a = F.elu(self.enc1(x))
        b = F.elu(self.enc2(F.max_pool2d(a, 2)))
        up = F.interpolate(b, scale_factor=2)
        return self.out(F.elu(self.dec1(torch.cat([up, a], 1))))


class GroupNormNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.GroupNorm(2, 4, eps=1e-3)
        self.conv2 = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return self.conv2(torch.relu(self.norm(self.conv1(x)))).mean((2, 3))


class SqueezeExcite(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 1)
        self.squeeze = nn.Linear(4, 2)
        self.excite = nn.Linear(2, 4)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        s = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean((2, 3))))))
        return self.head(x * s[:, :, None, None]).mean((2, 3))


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Linear(3, 3)
        self.right = nn.Linear(3, 2)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        return self.head(torch.cat([torch.relu(self.left(x)), torch.tanh(self.right(x))], -1))


class Highway(nn.Module):
    def __init__(self):
        super().__init__()
        self.value = nn.Linear(4, 4)
        self.gate = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        g = torch.sigmoid(self.gate(x))
        return self.head(g * torch.tanh(self.value(x)) + (1 - g) * x)


class SwiGlu(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 4, bias=False)
        self.scale = nn.Parameter(torch.ones(4))
        self.gate = nn.Linear(4, 3, bias=False)
        self.up = nn.Linear(4, 3, bias=False)
        self.down = nn.Linear(3, 2, bias=False)

    def forward(self, x):
        x = self.inner(x)
        x = x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-6) * self.scale
        return self.down(F.silu(self.gate(x)) * self.up(x))


class LayerNormMlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(3, 4)
        self.norm = nn.LayerNorm(4, eps=1e-3)
        self.fc2 = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc2(F.gelu(self.norm(self.fc1(x))))


class Attention(nn.Module):
    def __init__(self, width, heads, size, groups=None, causal=False):
        super().__init__()
        self.heads, self.size, self.causal = heads, size, causal
        self.groups = groups or heads
        self.query = nn.Linear(width, heads * size)
        self.key = nn.Linear(width, self.groups * size)
        self.value = nn.Linear(width, self.groups * size)
        self.attention_output = nn.Linear(heads * size, width)

    def forward(self, x, y=None):
        y = x if y is None else y
        b, t, _ = x.shape
        s = y.shape[1]
        q = self.query(x).view(b, t, self.heads, self.size).transpose(1, 2)
        k = self.key(y).view(b, s, self.groups, self.size).transpose(1, 2)
        v = self.value(y).view(b, s, self.groups, self.size).transpose(1, 2)
        if self.groups != self.heads:
            k = k.repeat_interleave(self.heads // self.groups, dim=1)
            v = v.repeat_interleave(self.heads // self.groups, dim=1)
        a = q @ k.transpose(-1, -2) / math.sqrt(self.size)
        if self.causal:
            a = a.masked_fill(~torch.ones(t, s, dtype=torch.bool).tril(), float("-inf"))
        o = (a.softmax(-1) @ v).transpose(1, 2).reshape(b, t, self.heads * self.size)
        return self.attention_output(o)


class Block(nn.Module):
    def __init__(self, width=4, heads=2, size=2, causal=False):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads, size, causal=causal)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.fc1 = nn.Linear(width, 5)
        self.fc2 = nn.Linear(5, width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(6, 4)
        self.positions = nn.Embedding(5, 4)
        self.block0 = Block(causal=True)
        self.norm = nn.LayerNorm(4, eps=1e-6)
        self.head = nn.Linear(4, 6, bias=False)

    def forward(self, ids):
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        return self.head(self.norm(self.block0(x)))


class TiedLanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(6, 4)
        self.block0 = Block(causal=True)

    def forward(self, ids):
        return self.block0(self.tokens(ids)) @ self.tokens.weight.T


class CrossAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Linear(3, 4)
        self.right = nn.Linear(3, 4)
        self.attn = Attention(4, 2, 2)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.attn(torch.relu(self.left(x)), torch.relu(self.right(x))))


class GroupedQuery(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 4)
        self.attn = Attention(4, 4, 2, groups=2)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.attn(torch.tanh(self.inner(x))))


class Vit(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(2, 4, 2, stride=2)
        self.position = nn.Parameter(torch.randn(1, 4, 4) * 0.02)
        self.block0 = Block()
        self.norm = nn.LayerNorm(4, eps=1e-6)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.norm(self.block0(x)).mean(1))


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 4)
        self.tokens1 = nn.Linear(5, 3)
        self.tokens2 = nn.Linear(3, 5)
        self.channels1 = nn.Linear(4, 3)
        self.channels2 = nn.Linear(3, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.inner(x)
        x = x + self.tokens2(F.silu(self.tokens1(x.transpose(1, 2)))).transpose(1, 2)
        x = x + self.channels2(F.silu(self.channels1(x)))
        return self.head(x.mean(1))


class Moe(nn.Module):
    def __init__(self):
        super().__init__()
        self.router = nn.Linear(3, 2)
        self.up0 = nn.Linear(3, 3)
        self.down0 = nn.Linear(3, 2)
        self.up1 = nn.Linear(3, 3)
        self.down1 = nn.Linear(3, 2)

    def forward(self, x):
        w = self.router(x).softmax(-1)
        a = self.down0(torch.relu(self.up0(x)))
        b = self.down1(torch.relu(self.up1(x)))
        return w[..., 0:1] * a + w[..., 1:2] * b


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc1 = nn.Linear(5, 4)
        self.enc2 = nn.Linear(4, 2)
        self.dec1 = nn.Linear(2, 4)
        self.dec2 = nn.Linear(4, 5)

    def forward(self, x):
        z = self.enc2(torch.relu(self.enc1(x)))
        return torch.sigmoid(self.dec2(torch.relu(self.dec1(z))))


class BagOfWords(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(7, 4)
        self.fc1 = nn.Linear(4, 3)
        self.fc2 = nn.Linear(3, 2)

    def forward(self, ids):
        return self.fc2(torch.tanh(self.fc1(self.words(ids).mean(1))))


class LstmCell(nn.Module):
    """Keras's parametrisation: one bias, gates i f c o, kernels (in, out)."""

    def __init__(self, inputs, units):
        super().__init__()
        self.units = units
        self.kernel = nn.Parameter(torch.randn(inputs, 4 * units))
        self.recurrent_kernel = nn.Parameter(torch.randn(units, 4 * units))
        self.bias = nn.Parameter(torch.zeros(4 * units))

    def forward(self, x, state):
        h, c = state
        i, f, g, o = (x @ self.kernel + h @ self.recurrent_kernel + self.bias).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class Recurrence(nn.Module):
    def __init__(self, inputs, units, backwards=False):
        super().__init__()
        self.lstm_cell = LstmCell(inputs, units)
        self.backwards = backwards

    def forward(self, x):
        h = c = torch.zeros(x.shape[0], self.lstm_cell.units)
        outputs = []
        steps = range(x.shape[1])
        for t in reversed(steps) if self.backwards else steps:
            h, c = self.lstm_cell(x[:, t], (h, c))
            outputs.append(h)
        if self.backwards:
            outputs.reverse()
        return torch.stack(outputs, 1), h


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = Recurrence(3, 3)
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(self.lstm(x)[1])


class LstmSequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Recurrence(3, 3)
        self.second = Recurrence(3, 2)
        self.fc = nn.Linear(2, 2)

    def forward(self, x):
        return self.fc(self.second(self.first(x)[0])[0])


class BiLstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.forward_lstm = Recurrence(3, 2)
        self.backward_lstm = Recurrence(3, 2, backwards=True)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(torch.cat([self.forward_lstm(x)[0], self.backward_lstm(x)[0]], -1))


class GruCell(nn.Module):
    """Keras's parametrisation: gates z r h, two rows of biases, reset after the product."""

    def __init__(self, inputs, units):
        super().__init__()
        self.units = units
        self.kernel = nn.Parameter(torch.randn(inputs, 3 * units))
        self.recurrent_kernel = nn.Parameter(torch.randn(units, 3 * units))
        self.bias = nn.Parameter(torch.zeros(2, 3 * units))

    def forward(self, x, h):
        xz, xr, xh = (x @ self.kernel + self.bias[0]).chunk(3, -1)
        hz, hr, hh = (h @ self.recurrent_kernel + self.bias[1]).chunk(3, -1)
        z = torch.sigmoid(xz + hz)
        n = torch.tanh(xh + torch.sigmoid(xr + hr) * hh)
        return z * h + (1 - z) * n


class GruLayer(nn.Module):
    def __init__(self, inputs, units):
        super().__init__()
        self.gru_cell = GruCell(inputs, units)

    def forward(self, x):
        h = torch.zeros(x.shape[0], self.gru_cell.units)
        for t in range(x.shape[1]):
            h = self.gru_cell(x[:, t], h)
        return h


class Gru(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = GruLayer(3, 3)
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(self.gru(x))
