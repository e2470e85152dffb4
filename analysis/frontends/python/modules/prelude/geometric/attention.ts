/** @file Layers of PyTorch Geometric that attend along edges. */

/** The second part of the stand-in for `torch_geometric.nn`. */
export const attention = `
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
`;
