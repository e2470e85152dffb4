/** @file Convolutions of PyTorch Geometric, spelled out. Parameter names and layouts are its own. */

/** The first part of the stand-in for `torch_geometric.nn`. */
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
`;
