/** @file What PyTorch Geometric puts between and behind its convolutions: pooling, norms, perceptrons, sequences of layers. */

/** The third part of the stand-in for `torch_geometric.nn`. */
export const pooling = `
def _pooled(reduce):
    def pool(x, batch=None, size=None):
        if batch is None:
            if reduce == "max":
                return x.max(0, keepdim=True).values
            return x.sum(0, keepdim=True) if reduce == "sum" else x.mean(0, keepdim=True)
        return scatter(x, batch, 0, size, reduce)

    return pool


global_add_pool, global_mean_pool, global_max_pool = _pooled("sum"), _pooled("mean"), _pooled("max")


class GlobalAttention(nn.Module):
    def __init__(self, gate_nn, nn=None):
        super().__init__()
        self.gate_nn, self.nn = gate_nn, nn

    def forward(self, x, batch=None, size=None):
        batch = torch.zeros(x.shape[0], dtype=torch.long) if batch is None else batch
        gate = softmax(self.gate_nn(x), batch, None, size)
        return scatter(gate * (x if self.nn is None else self.nn(x)), batch, 0, size, "sum")


AttentionalAggregation = GlobalAttention


class BatchNorm(nn.Module):
    def __init__(self, in_channels, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, allow_single_element=False):
        super().__init__()
        self.module = nn.BatchNorm1d(in_channels, eps, momentum, affine, track_running_stats)

    def forward(self, x):
        return self.module(x)


class LayerNorm(nn.Module):
    def __init__(self, in_channels, eps=1e-5, affine=True, mode="graph"):
        super().__init__()
        self.eps, self.mode = eps, mode
        self.weight = nn.Parameter(torch.ones(in_channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(in_channels)) if affine else None

    def forward(self, x, batch=None, batch_size=None):
        if self.mode == "node":
            return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)
        if batch is None:
            x = x - x.mean()
            out = x / (x.std(unbiased=False) + self.eps)
        else:
            size = degree(batch, batch_size).clamp(min=1) * x.shape[-1]
            mean = scatter(x, batch, 0, batch_size, "sum").sum(-1) / size
            x = x - mean[batch].unsqueeze(-1)
            square = scatter(x * x, batch, 0, batch_size, "sum").sum(-1) / size
            out = x / (square + self.eps).sqrt()[batch].unsqueeze(-1)
        return out if self.weight is None else out * self.weight + self.bias


class JumpingKnowledge(nn.Module):
    def __init__(self, mode, channels=None, num_layers=None):
        super().__init__()
        self.mode = mode.lower()
        if self.mode not in ("cat", "max"):
            raise NotImplementedError("JumpingKnowledge with " + self.mode)

    def forward(self, xs):
        if self.mode == "cat":
            return torch.cat(xs, -1)
        return torch.stack(xs, -1).max(-1).values


class MLP(nn.Module):
    def __init__(self, channel_list=None, *, in_channels=None, hidden_channels=None, out_channels=None, num_layers=None, dropout=0.0,
                 act="relu", norm="batch_norm", bias=True, plain_last=True, **kwargs):
        super().__init__()
        if norm not in (None, "batch_norm"):
            raise NotImplementedError("MLP with " + str(norm))
        if channel_list is None:
            channel_list = [in_channels, *[hidden_channels] * (num_layers - 1), out_channels]
        self.lins = nn.ModuleList([nn.Linear(a, b, bias=bias) for a, b in zip(channel_list[:-1], channel_list[1:])])
        inner = channel_list[1:-1] if plain_last else channel_list[1:]
        self.norms = nn.ModuleList([nn.Identity() if norm is None else BatchNorm(c) for c in inner])
        self.act = F.relu if act == "relu" else getattr(F, act) if isinstance(act, str) else act

    def forward(self, x, batch=None, batch_size=None):
        for k, lin in enumerate(self.lins):
            x = lin(x)
            if k < len(self.norms):
                x = self.act(self.norms[k](x))
        return x


class Sequential(nn.Module):
    def __init__(self, input_args, modules):
        super().__init__()
        self._inputs = [n.strip() for n in input_args.split(",")]
        self._steps = []
        for k, entry in enumerate(modules):
            layer, names = entry if isinstance(entry, tuple) else (entry, None)
            if isinstance(layer, nn.Module):
                setattr(self, "module_" + str(k), layer)
            self._steps.append((layer, names))

    def forward(self, *args):
        known = dict(zip(self._inputs, args))
        out = args[0]
        for layer, names in self._steps:
            if names is None:
                out = layer(out)
                continue
            read, written = [part.strip() for part in names.split("->")]
            out = layer(*[known[n.strip()] for n in read.split(",")])
            for name, value in zip(written.split(","), out if "," in written else (out,)):
                known[name.strip()] = value
        return out
`;
