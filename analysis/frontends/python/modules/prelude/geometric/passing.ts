/** @file Message passing of PyTorch Geometric, and what it is made of: sums over the edges that end at a node. */

/** Stand-in for `torch_scatter`, and for parts of `torch_geometric.utils`. */
export const utilities = `
import math
import torch
import torch.nn.functional as F

_GRAPHS = 2


def _wide(index, src, dim):
    shape = [1] * src.dim()
    shape[dim] = index.shape[0]
    return index.reshape(shape).expand(src.shape)


def scatter(src, index, dim=0, dim_size=None, reduce="sum", out=None):
    dim = dim % src.dim()
    n = _GRAPHS if dim_size is None else dim_size
    shape = [n if d == dim else size for d, size in enumerate(src.shape)]
    if index.dim() > 1:
        index = index.select(1 - dim, 0) if index.dim() == 2 and dim < 2 else index.flatten()[:src.shape[dim]]
    if reduce in ("sum", "add", "mean"):
        total = torch.zeros(shape).index_add(dim, index, src)
        if reduce != "mean":
            return total
        count = torch.zeros(n).index_add(0, index, torch.ones(index.shape[0])).clamp(min=1)
        return total / count.reshape([n if d == dim else 1 for d in range(src.dim())])
    if reduce == "mul":
        return torch.ones(shape).scatter_reduce(dim, _wide(index, src, dim), src, "prod")
    worst = math.inf if reduce == "min" else -math.inf
    best = torch.full(shape, worst).scatter_reduce(dim, _wide(index, src, dim), src, "a" + reduce)
    return torch.where(best == worst, torch.zeros(shape), best)


def scatter_add(src, index, dim=-1, out=None, dim_size=None):
    return scatter(src, index, dim, dim_size, "sum")


scatter_sum = scatter_add


def scatter_mean(src, index, dim=-1, out=None, dim_size=None):
    return scatter(src, index, dim, dim_size, "mean")


def scatter_max(src, index, dim=-1, out=None, dim_size=None):
    return scatter(src, index, dim, dim_size, "max"), None


def scatter_min(src, index, dim=-1, out=None, dim_size=None):
    return scatter(src, index, dim, dim_size, "min"), None


def softmax(src, index, ptr=None, num_nodes=None, dim=0):
    out = torch.exp(src)
    total = scatter(out, index, dim, num_nodes, "sum")
    return out / total.index_select(dim, index)


scatter_softmax = lambda src, index, dim=-1, dim_size=None: softmax(src, index, None, dim_size, dim)


def degree(index, num_nodes=None, dtype=None):
    return scatter(torch.ones(index.shape[0]), index, 0, num_nodes, "sum")


def maybe_num_nodes(edge_index, num_nodes=None):
    return num_nodes


def _loops(n):
    return torch.arange(n).unsqueeze(0).repeat(2, 1)


def add_self_loops(edge_index, edge_attr=None, fill_value=1.0, num_nodes=None):
    n = edge_index.shape[1] if num_nodes is None else num_nodes
    if edge_attr is not None:
        edge_attr = torch.cat([edge_attr, torch.full([n, *edge_attr.shape[1:]], 1.0)], 0)
    return torch.cat([edge_index, _loops(n)], 1), edge_attr


add_remaining_self_loops = add_self_loops


def remove_self_loops(edge_index, edge_attr=None):
    return edge_index, edge_attr


def dropout_edge(edge_index, p=0.5, force_undirected=False, training=True):
    return edge_index, None


def dropout_adj(edge_index, edge_attr=None, p=0.5, force_undirected=False, num_nodes=None, training=True):
    return edge_index, edge_attr


def to_undirected(edge_index, edge_attr=None, num_nodes=None, reduce="add"):
    both = torch.cat([edge_index, edge_index.flip(0)], 1)
    return both if edge_attr is None else (both, torch.cat([edge_attr, edge_attr], 0))
`;

/** Stand-in for `torch_geometric.nn.conv.message_passing`. */
export const passing = `
import inspect
import torch
from torch import nn
from torch_geometric.utils import scatter


class MessagePassing(nn.Module):
    def __init__(self, aggr="sum", *, aggr_kwargs=None, flow="source_to_target", node_dim=-2, decomposed_layers=1, **kwargs):
        super().__init__()
        self.aggr, self.flow, self.node_dim = aggr, flow, node_dim

    def reset_parameters(self):
        pass

    def propagate(self, edge_index, size=None, **kwargs):
        i, j = (1, 0) if self.flow == "source_to_target" else (0, 1)
        sizes = [None, None] if size is None else list(size)
        for value in kwargs.values():
            both = value if isinstance(value, tuple) else (value, value)
            for side, t in enumerate(both):
                if sizes[side] is None and isinstance(t, torch.Tensor) and t.dim() >= -self.node_dim:
                    sizes[side] = t.shape[self.node_dim]
        given = {"index": edge_index[i], "edge_index": edge_index, "edge_index_i": edge_index[i], "edge_index_j": edge_index[j],
                 "ptr": None, "dim_size": sizes[i], "size_i": sizes[i], "size_j": sizes[j], "size": sizes}

        def arguments(function, skip):
            out = {}
            for name in list(inspect.signature(function).parameters):
                if name in skip:
                    continue
                side = i if name.endswith("_i") else j
                if name in kwargs:
                    out[name] = kwargs[name]
                elif name in given:
                    out[name] = given[name]
                elif name[-2:] in ("_i", "_j") and name[:-2] in kwargs:
                    value = kwargs[name[:-2]]
                    if isinstance(value, tuple):
                        value = value[side]
                    out[name] = None if value is None else value.index_select(self.node_dim, edge_index[side])
            return out

        messages = self.message(**arguments(self.message, ("self",)))
        aggregated = self.aggregate(messages, **arguments(self.aggregate, ("self", "inputs")))
        return self.update(aggregated, **arguments(self.update, ("self", "inputs", "aggr_out")))

    def message(self, x_j):
        return x_j

    def aggregate(self, inputs, index, ptr=None, dim_size=None):
        kinds = self.aggr if isinstance(self.aggr, (list, tuple)) else [self.aggr]
        parts = [scatter(inputs, index, self.node_dim, dim_size, "sum" if k == "add" else k) for k in kinds]
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    def update(self, inputs):
        return inputs
`;
