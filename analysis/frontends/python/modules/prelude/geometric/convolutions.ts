/** @file Layers of PyTorch Geometric, spelled out. Parameter names and layouts are its own. */

/** Stand-in for `torch_geometric.nn`. */
export const convolutions = `
import math
import torch
from torch import nn
import torch.nn.functional as F
from torch_geometric.nn.conv.message_passing import MessagePassing
from torch_geometric.utils import scatter, softmax, degree, add_self_loops

Linear = nn.Linear


def _pair(channels):
    return channels if isinstance(channels, (tuple, list)) else (channels, channels)


def _both(x):
    return x if isinstance(x, tuple) else (x, x)


def _bias(layer, size, wanted):
    if wanted:
        layer.bias = nn.Parameter(torch.zeros(size))
    else:
        layer.register_parameter("bias", None)


def gcn_norm(edge_index, edge_weight=None, num_nodes=None, improved=False, add_loops=True, flow="source_to_target", dtype=None):
    weight = torch.ones(edge_index.shape[1]) if edge_weight is None else edge_weight
    if add_loops:
        edge_index, weight = add_self_loops(edge_index, weight, num_nodes=num_nodes)
    row, col = edge_index[0], edge_index[1]
    total = scatter(weight, col, 0, num_nodes, "sum")
    root = torch.where(total > 0, torch.pow(total, -0.5), torch.zeros_like(total))
    return edge_index, root[row] * weight * root[col]


class GCNConv(MessagePassing):
    def __init__(self, in_channels, out_channels, improved=False, cached=False, add_self_loops=None, normalize=True, bias=True, **kwargs):
        super().__init__(**kwargs)
        self.normalize = normalize
        self.loops = normalize if add_self_loops is None else add_self_loops
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        _bias(self, out_channels, bias)

    def forward(self, x, edge_index, edge_weight=None):
        if self.normalize:
            edge_index, edge_weight = gcn_norm(edge_index, edge_weight, x.shape[0], add_loops=self.loops)
        out = self.propagate(edge_index, x=self.lin(x), edge_weight=edge_weight)
        return out if self.bias is None else out + self.bias

    def message(self, x_j, edge_weight):
        return x_j if edge_weight is None else edge_weight.unsqueeze(-1) * x_j


class SGConv(GCNConv):
    def __init__(self, in_channels, out_channels, K=1, cached=False, add_self_loops=True, bias=True, **kwargs):
        MessagePassing.__init__(self, **kwargs)
        self.K, self.loops = K, add_self_loops
        self.lin = nn.Linear(in_channels, out_channels, bias=bias)

    def forward(self, x, edge_index, edge_weight=None):
        edge_index, edge_weight = gcn_norm(edge_index, edge_weight, x.shape[0], add_loops=self.loops)
        for _ in range(self.K):
            x = self.propagate(edge_index, x=x, edge_weight=edge_weight)
        return self.lin(x)


class TAGConv(GCNConv):
    def __init__(self, in_channels, out_channels, K=3, bias=True, normalize=True, **kwargs):
        MessagePassing.__init__(self, **kwargs)
        self.K, self.normalize = K, normalize
        self.lins = nn.ModuleList([nn.Linear(in_channels, out_channels, bias=False) for _ in range(K + 1)])
        _bias(self, out_channels, bias)

    def forward(self, x, edge_index, edge_weight=None):
        if self.normalize:
            edge_index, edge_weight = gcn_norm(edge_index, edge_weight, x.shape[0], add_loops=False)
        out = self.lins[0](x)
        for lin in self.lins[1:]:
            x = self.propagate(edge_index, x=x, edge_weight=edge_weight)
            out = out + lin(x)
        return out if self.bias is None else out + self.bias


class APPNP(GCNConv):
    def __init__(self, K, alpha, dropout=0.0, cached=False, add_self_loops=True, normalize=True, **kwargs):
        MessagePassing.__init__(self, **kwargs)
        self.K, self.alpha, self.loops = K, alpha, add_self_loops

    def forward(self, x, edge_index, edge_weight=None):
        edge_index, edge_weight = gcn_norm(edge_index, edge_weight, x.shape[0], add_loops=self.loops)
        h = x
        for _ in range(self.K):
            x = (1 - self.alpha) * self.propagate(edge_index, x=x, edge_weight=edge_weight) + self.alpha * h
        return x


class LGConv(GCNConv):
    def __init__(self, normalize=True, **kwargs):
        MessagePassing.__init__(self, **kwargs)
        self.normalize = normalize

    def forward(self, x, edge_index, edge_weight=None):
        if self.normalize:
            edge_index, edge_weight = gcn_norm(edge_index, edge_weight, x.shape[0], add_loops=False)
        return self.propagate(edge_index, x=x, edge_weight=edge_weight)


class SAGEConv(MessagePassing):
    def __init__(self, in_channels, out_channels, aggr="mean", normalize=False, root_weight=True, project=False, bias=True, **kwargs):
        super().__init__(aggr, **kwargs)
        first, second = _pair(in_channels)
        self.normalize, self.root_weight, self.project = normalize, root_weight, project
        if project:
            self.lin = nn.Linear(first, first)
        self.lin_l = nn.Linear(first, out_channels, bias=bias)
        if root_weight:
            self.lin_r = nn.Linear(second, out_channels, bias=False)

    def forward(self, x, edge_index, size=None):
        x = _both(x)
        if self.project:
            x = (F.relu(self.lin(x[0])), x[1])
        out = self.lin_l(self.propagate(edge_index, x=x, size=size))
        if self.root_weight and x[1] is not None:
            out = out + self.lin_r(x[1])
        return F.normalize(out, p=2.0, dim=-1) if self.normalize else out


class GraphConv(MessagePassing):
    def __init__(self, in_channels, out_channels, aggr="add", bias=True, **kwargs):
        super().__init__(aggr, **kwargs)
        first, second = _pair(in_channels)
        self.lin_rel = nn.Linear(first, out_channels, bias=bias)
        self.lin_root = nn.Linear(second, out_channels, bias=False)

    def forward(self, x, edge_index, edge_weight=None, size=None):
        x = _both(x)
        out = self.lin_rel(self.propagate(edge_index, x=x, edge_weight=edge_weight, size=size))
        return out if x[1] is None else out + self.lin_root(x[1])

    def message(self, x_j, edge_weight):
        return x_j if edge_weight is None else edge_weight.reshape(-1, 1) * x_j


class GINConv(MessagePassing):
    def __init__(self, nn, eps=0.0, train_eps=False, **kwargs):
        super().__init__(**kwargs)
        self.nn = nn
        if train_eps:
            self.eps = torch.nn.Parameter(torch.full([1], eps))
        else:
            self.register_buffer("eps", torch.full([1], eps))

    def forward(self, x, edge_index, size=None):
        x = _both(x)
        out = self.propagate(edge_index, x=x, size=size)
        return self.nn(out if x[1] is None else out + (1 + self.eps) * x[1])


class GINEConv(GINConv):
    def __init__(self, nn, eps=0.0, train_eps=False, edge_dim=None, **kwargs):
        super().__init__(nn, eps, train_eps, **kwargs)
        if edge_dim is not None:
            first = nn[0] if isinstance(nn, torch.nn.Sequential) else nn
            self.lin = torch.nn.Linear(edge_dim, first.in_features)
        else:
            self.lin = None

    def forward(self, x, edge_index, edge_attr=None, size=None):
        x = _both(x)
        out = self.propagate(edge_index, x=x, edge_attr=edge_attr, size=size)
        return self.nn(out if x[1] is None else out + (1 + self.eps) * x[1])

    def message(self, x_j, edge_attr):
        return F.relu(x_j + (edge_attr if self.lin is None else self.lin(edge_attr)))


class EdgeConv(MessagePassing):
    def __init__(self, nn, aggr="max", **kwargs):
        super().__init__(aggr, **kwargs)
        self.nn = nn

    def forward(self, x, edge_index):
        return self.propagate(edge_index, x=_both(x))

    def message(self, x_i, x_j):
        return self.nn(torch.cat([x_i, x_j - x_i], -1))


class NNConv(MessagePassing):
    def __init__(self, in_channels, out_channels, nn, aggr="add", root_weight=True, bias=True, **kwargs):
        super().__init__(aggr, **kwargs)
        self.nn = nn
        self.in_channels, self.out_channels = _pair(in_channels)[0], out_channels
        self.lin = torch.nn.Linear(_pair(in_channels)[1], out_channels, bias=False) if root_weight else None
        _bias(self, out_channels, bias)

    def forward(self, x, edge_index, edge_attr=None, size=None):
        x = _both(x)
        out = self.propagate(edge_index, x=x, edge_attr=edge_attr, size=size)
        if self.lin is not None and x[1] is not None:
            out = out + self.lin(x[1])
        return out if self.bias is None else out + self.bias

    def message(self, x_j, edge_attr):
        weight = self.nn(edge_attr).view(-1, self.in_channels, self.out_channels)
        return torch.matmul(x_j.unsqueeze(1), weight).squeeze(1)


class ChebConv(MessagePassing):
    def __init__(self, in_channels, out_channels, K, normalization="sym", bias=True, **kwargs):
        super().__init__(**kwargs)
        self.lins = nn.ModuleList([nn.Linear(in_channels, out_channels, bias=False) for _ in range(K)])
        _bias(self, out_channels, bias)

    def forward(self, x, edge_index, edge_weight=None, batch=None, lambda_max=None):
        edge_index, norm = gcn_norm(edge_index, edge_weight, x.shape[0], add_loops=False)
        before, now = x, x
        out = self.lins[0](x)
        for k, lin in enumerate(self.lins[1:]):
            step = -self.propagate(edge_index, x=now, norm=norm)
            before, now = now, step if k == 0 else 2.0 * step - before
            out = out + lin(now)
        return out if self.bias is None else out + self.bias

    def message(self, x_j, norm):
        return norm.unsqueeze(-1) * x_j


class _Attention(MessagePassing):
    def _end(self, out):
        out = out.reshape(-1, self.heads * self.out_channels) if self.concat else out.mean(1)
        if getattr(self, "res", None) is not None:
            out = out + self.res(self._read)
        return out if self.bias is None else out + self.bias

    def _begin(self, out_channels, heads, concat, dropout, negative_slope, loops):
        self.out_channels, self.heads, self.concat = out_channels, heads, concat
        self.dropout, self.negative_slope, self.loops = dropout, negative_slope, loops


class GATConv(_Attention):
    def __init__(self, in_channels, out_channels, heads=1, concat=True, negative_slope=0.2, dropout=0.0, add_self_loops=True,
                 edge_dim=None, fill_value="mean", bias=True, residual=False, **kwargs):
        super().__init__(node_dim=0, **kwargs)
        self._begin(out_channels, heads, concat, dropout, negative_slope, add_self_loops)
        if isinstance(in_channels, (tuple, list)):
            self.lin = None
            self.lin_src = nn.Linear(in_channels[0], heads * out_channels, bias=False)
            self.lin_dst = nn.Linear(in_channels[1], heads * out_channels, bias=False)
        else:
            self.lin = nn.Linear(in_channels, heads * out_channels, bias=False)
        self.att_src = nn.Parameter(torch.empty(1, heads, out_channels))
        self.att_dst = nn.Parameter(torch.empty(1, heads, out_channels))
        if edge_dim is not None:
            self.lin_edge = nn.Linear(edge_dim, heads * out_channels, bias=False)
            self.att_edge = nn.Parameter(torch.empty(1, heads, out_channels))
        else:
            self.lin_edge = None
        whole = heads * out_channels if concat else out_channels
        self.res = nn.Linear(_pair(in_channels)[1], whole, bias=False) if residual else None
        _bias(self, whole, bias)

    def forward(self, x, edge_index, edge_attr=None, size=None, return_attention_weights=None):
        H, C = self.heads, self.out_channels
        x = _both(x)
        self._read = x[1]
        if self.lin is not None:
            source = self.lin(x[0]).view(-1, H, C)
            target = source if x[1] is x[0] else self.lin(x[1]).view(-1, H, C)
        else:
            source, target = self.lin_src(x[0]).view(-1, H, C), self.lin_dst(x[1]).view(-1, H, C)
        alpha = ((source * self.att_src).sum(-1), (target * self.att_dst).sum(-1))
        if self.loops:
            edge_index, edge_attr = add_self_loops(edge_index, edge_attr, num_nodes=target.shape[0])
        out = self.propagate(edge_index, x=(source, target), alpha=alpha, edge_attr=edge_attr)
        return self._end(out)

    def message(self, x_j, alpha_j, alpha_i, edge_attr, index, size_i):
        alpha = alpha_j + alpha_i
        if self.lin_edge is not None and edge_attr is not None:
            edge = self.lin_edge(edge_attr).view(-1, self.heads, self.out_channels)
            alpha = alpha + (edge * self.att_edge).sum(-1)
        alpha = softmax(F.leaky_relu(alpha, self.negative_slope), index, None, size_i)
        return alpha.unsqueeze(-1) * x_j


class GATv2Conv(_Attention):
    def __init__(self, in_channels, out_channels, heads=1, concat=True, negative_slope=0.2, dropout=0.0, add_self_loops=True,
                 edge_dim=None, fill_value="mean", bias=True, share_weights=False, residual=False, **kwargs):
        super().__init__(node_dim=0, **kwargs)
        self._begin(out_channels, heads, concat, dropout, negative_slope, add_self_loops)
        first, second = _pair(in_channels)
        self.lin_l = nn.Linear(first, heads * out_channels, bias=bias)
        self.lin_r = self.lin_l if share_weights else nn.Linear(second, heads * out_channels, bias=bias)
        self.att = nn.Parameter(torch.empty(1, heads, out_channels))
        self.lin_edge = None if edge_dim is None else nn.Linear(edge_dim, heads * out_channels, bias=False)
        whole = heads * out_channels if concat else out_channels
        self.res = nn.Linear(second, whole, bias=False) if residual else None
        _bias(self, whole, bias)

    def forward(self, x, edge_index, edge_attr=None, return_attention_weights=None):
        H, C = self.heads, self.out_channels
        x = _both(x)
        self._read = x[1]
        source, target = self.lin_l(x[0]).view(-1, H, C), self.lin_r(x[1]).view(-1, H, C)
        if self.loops:
            edge_index, edge_attr = add_self_loops(edge_index, edge_attr, num_nodes=target.shape[0])
        return self._end(self.propagate(edge_index, x=(source, target), edge_attr=edge_attr))

    def message(self, x_j, x_i, edge_attr, index, size_i):
        x = x_i + x_j
        if self.lin_edge is not None and edge_attr is not None:
            x = x + self.lin_edge(edge_attr).view(-1, self.heads, self.out_channels)
        alpha = (F.leaky_relu(x, self.negative_slope) * self.att).sum(-1)
        return softmax(alpha, index, None, size_i).unsqueeze(-1) * x_j


class TransformerConv(_Attention):
    def __init__(self, in_channels, out_channels, heads=1, concat=True, beta=False, dropout=0.0, edge_dim=None, bias=True,
                 root_weight=True, **kwargs):
        super().__init__(node_dim=0, **kwargs)
        self._begin(out_channels, heads, concat, dropout, 0.2, False)
        first, second = _pair(in_channels)
        whole = heads * out_channels if concat else out_channels
        self.beta, self.root_weight = beta and root_weight, root_weight
        self.lin_key = nn.Linear(first, heads * out_channels)
        self.lin_query = nn.Linear(second, heads * out_channels)
        self.lin_value = nn.Linear(first, heads * out_channels)
        self.lin_edge = None if edge_dim is None else nn.Linear(edge_dim, heads * out_channels, bias=False)
        self.lin_skip = nn.Linear(second, whole, bias=bias)
        if self.beta:
            self.lin_beta = nn.Linear(3 * whole, 1, bias=False)

    def forward(self, x, edge_index, edge_attr=None, return_attention_weights=None):
        H, C = self.heads, self.out_channels
        x = _both(x)
        query, key, value = self.lin_query(x[1]).view(-1, H, C), self.lin_key(x[0]).view(-1, H, C), self.lin_value(x[0]).view(-1, H, C)
        out = self.propagate(edge_index, query=query, key=key, value=value, edge_attr=edge_attr)
        out = out.reshape(-1, H * C) if self.concat else out.mean(1)
        if not self.root_weight:
            return out
        skip = self.lin_skip(x[1])
        if not self.beta:
            return out + skip
        share = torch.sigmoid(self.lin_beta(torch.cat([out, skip, out - skip], -1)))
        return share * skip + (1 - share) * out

    def message(self, query_i, key_j, value_j, edge_attr, index, size_i):
        if self.lin_edge is not None:
            edge = self.lin_edge(edge_attr).view(-1, self.heads, self.out_channels)
            key_j, value_j = key_j + edge, value_j + edge
        alpha = (query_i * key_j).sum(-1) / math.sqrt(self.out_channels)
        return value_j * softmax(alpha, index, None, size_i).unsqueeze(-1)


class GatedGraphConv(MessagePassing):
    def __init__(self, out_channels, num_layers, aggr="add", bias=True, **kwargs):
        super().__init__(aggr, **kwargs)
        self.out_channels, self.num_layers = out_channels, num_layers
        self.weight = nn.Parameter(torch.empty(num_layers, out_channels, out_channels))
        self.rnn = nn.GRUCell(out_channels, out_channels, bias=bias)

    def forward(self, x, edge_index, edge_weight=None):
        if x.shape[-1] < self.out_channels:
            x = torch.cat([x, torch.zeros(x.shape[0], self.out_channels - x.shape[-1])], 1)
        for k in range(self.num_layers):
            x = self.rnn(self.propagate(edge_index, x=torch.matmul(x, self.weight[k]), edge_weight=edge_weight), x)
        return x

    def message(self, x_j, edge_weight):
        return x_j if edge_weight is None else edge_weight.unsqueeze(-1) * x_j


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

    def forward(self, xs):
        if self.mode == "cat":
            return torch.cat(xs, -1)
        return torch.stack(xs, -1).max(-1).values


class MLP(nn.Module):
    def __init__(self, channel_list=None, *, in_channels=None, hidden_channels=None, out_channels=None, num_layers=None, dropout=0.0,
                 act="relu", norm="batch_norm", bias=True, plain_last=True, **kwargs):
        super().__init__()
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
