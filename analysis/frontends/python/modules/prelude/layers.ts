/** @file Layers of torch.nn that few models use, spelled out. Parameter names and layouts are PyTorch's. */

const layers = `
import torch
import torch.nn as nn
import torch.nn.functional as F


class PairwiseDistance(nn.Module):
    def __init__(self, p=2.0, eps=1e-6, keepdim=False):
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1, x2):
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class LPPool1d(nn.Module):
    def __init__(self, norm_type, kernel_size, stride=None, ceil_mode=False):
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input):
        return F.lp_pool1d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(LPPool1d):
    def forward(self, input):
        return F.lp_pool2d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


def _lazy(cls, at):
    """A layer that learns its first argument from axis \`at\` of its first input, and is an ordinary one from then on."""

    class Lazy(cls):
        def __init__(self, *args, **kwargs):
            nn.Module.__init__(self)
            self._given = (args, kwargs)

        def forward(self, input, *args):
            if "_given" in self.__dict__:
                given, named = self._given
                del self._given
                cls.__init__(self, input.shape[at], *given, **named)
            return cls.forward(self, input, *args)

    return Lazy


LazyConv1d, LazyConv2d, LazyConv3d = _lazy(nn.Conv1d, 1), _lazy(nn.Conv2d, 1), _lazy(nn.Conv3d, 1)
LazyConvTranspose1d, LazyConvTranspose2d = _lazy(nn.ConvTranspose1d, 1), _lazy(nn.ConvTranspose2d, 1)
LazyConvTranspose3d = _lazy(nn.ConvTranspose3d, 1)
LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d = _lazy(nn.BatchNorm1d, 1), _lazy(nn.BatchNorm2d, 1), _lazy(nn.BatchNorm3d, 1)
LazyInstanceNorm1d, LazyInstanceNorm2d = _lazy(nn.InstanceNorm1d, 1), _lazy(nn.InstanceNorm2d, 1)
LazyInstanceNorm3d = _lazy(nn.InstanceNorm3d, 1)


class AdaptiveLogSoftmaxWithLoss(nn.Module):
    def __init__(self, in_features, n_classes, cutoffs, div_value=4.0, head_bias=False, device=None, dtype=None):
        super().__init__()
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head = nn.Linear(in_features, self.shortlist_size + self.n_clusters, bias=head_bias)
        self.tail = nn.ModuleList()
        for i in range(self.n_clusters):
            inner = int(in_features // (div_value ** (i + 1)))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(nn.Sequential(nn.Linear(in_features, inner, bias=False), nn.Linear(inner, size, bias=False)))

    def log_prob(self, input):
        head = F.log_softmax(self.head(input), dim=1)
        parts = [head[:, :self.shortlist_size]]
        for i, tail in enumerate(self.tail):
            k = self.shortlist_size + i
            parts.append(F.log_softmax(tail(input), dim=1) + head[:, k:k + 1])
        return torch.cat(parts, 1)

    def forward(self, input, target):
        picked = self.log_prob(input).gather(1, target.unsqueeze(1)).squeeze(1)
        return picked, -picked.mean()


def projected_lstm(layer, input, hx):
    """The steps of an LSTM whose hidden state is projected (proj_size), which ONNX has no operator for."""
    x = input.unsqueeze(1) if input.dim() == 2 else input.transpose(0, 1) if layer.batch_first else input
    steps, batch = x.shape[0], x.shape[1]
    ways = ["", "_reverse"] if layer.bidirectional else [""]
    hidden, cells = [], []
    for k in range(layer.num_layers):
        sides = []
        for way in ways:
            weight = lambda name: getattr(layer, f"{name}_l{k}{way}", None)
            if hx is None:
                h, c = torch.zeros(batch, layer.proj_size), torch.zeros(batch, layer.hidden_size)
            else:
                h, c = hx[0][len(hidden)], hx[1][len(hidden)]
            outs = [None] * steps
            for t in reversed(range(steps)) if way else range(steps):
                gates = F.linear(x[t], weight("weight_ih"), weight("bias_ih"))
                gates = gates + F.linear(h, weight("weight_hh"), weight("bias_hh"))
                i, f, g, o = gates.chunk(4, -1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = F.linear(torch.sigmoid(o) * torch.tanh(c), weight("weight_hr"))
                outs[t] = h
            sides.append(torch.stack(outs))
            hidden.append(h)
            cells.append(c)
        x = torch.cat(sides, -1)
    h, c = torch.stack(hidden), torch.stack(cells)
    if input.dim() == 2:
        return x.squeeze(1), (h.squeeze(1), c.squeeze(1))
    return x.transpose(0, 1) if layer.batch_first else x, (h, c)
`;

/** The stand-in by its module's name. */
export const layersPrelude: Readonly<Record<string, string>> = { "torch.nn._layers": layers };

/** What of it is a layer of torch.nn. */
export const WRITTEN_LAYERS: ReadonlySet<string> = new Set([
  ...["PairwiseDistance", "LPPool1d", "LPPool2d", "AdaptiveLogSoftmaxWithLoss"],
  ...["Conv", "ConvTranspose", "BatchNorm", "InstanceNorm"].flatMap((n) => [1, 2, 3].map((d) => `Lazy${n}${d}d`)),
]);
