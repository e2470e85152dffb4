"""Graph networks with PyTorch Geometric."""
import torch
import torch.nn.functional as F
from torch import nn
from torch_geometric.nn import (APPNP, MLP, BatchNorm, ChebConv, EdgeConv, GatedGraphConv, GATConv, GATv2Conv, GCNConv, GINConv, GraphConv, JumpingKnowledge,
                                MessagePassing, NNConv, SAGEConv, SGConv, TAGConv, TransformerConv, global_add_pool, global_mean_pool)
import torch_geometric.nn as gnn
from torch_geometric.utils import add_self_loops, degree
from torch_scatter import scatter_mean


class Gin(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = GINConv(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)), train_eps=True)
        self.out = nn.Linear(3, 2)

    def forward(self, x, edge_index, batch):
        return self.out(global_add_pool(F.relu(self.conv(x, edge_index)), batch))


class Gat2(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = GATv2Conv(3, 2, heads=2), GATv2Conv(4, 2, concat=False)

    def forward(self, x, edge_index):
        return self.conv2(F.elu(self.conv1(x, edge_index)), edge_index)


class Trans(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = TransformerConv(3, 2, heads=2)
        self.out = nn.Linear(4, 2)

    def forward(self, x, edge_index):
        return self.out(self.conv1(x, edge_index))


class TransBeta(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = TransformerConv(3, 2, heads=2, beta=True, edge_dim=2)
        self.out = nn.Linear(4, 2)

    def forward(self, x, edge_index, edge_attr):
        return self.out(F.relu(self.conv1(x, edge_index, edge_attr)))


class Cheb(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = ChebConv(3, 4, K=3), ChebConv(4, 2, K=2)

    def forward(self, x, edge_index):
        return self.conv2(F.relu(self.conv1(x, edge_index)), edge_index)


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = GatedGraphConv(3, 2)
        self.out = nn.Linear(3, 2)

    def forward(self, x, edge_index):
        return self.out(self.conv1(x, edge_index))


class Edge(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = EdgeConv(nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)))
        self.conv2 = DynamicOr(3, 2)

    def forward(self, x, edge_index):
        return self.conv2(self.conv1(x, edge_index), edge_index)


class DynamicOr(MessagePassing):
    def __init__(self, i, o):
        super().__init__(aggr=["mean", "max"])
        self.lin = nn.Linear(2 * i, o)

    def forward(self, x, edge_index):
        return self.lin(self.propagate(edge_index, x=x))


class Sgc(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.jk = SGConv(3, 4, K=2), TAGConv(4, 3, K=2), JumpingKnowledge("cat")
        self.out = nn.Linear(7, 2)

    def forward(self, x, edge_index, edge_weight):
        a = F.relu(self.conv1(x, edge_index, edge_weight))
        b = F.relu(self.conv2(a, edge_index, edge_weight))
        return self.out(self.jk([a, b]))


class Seq(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = gnn.Sequential("x, edge_index", [(GCNConv(3, 4), "x, edge_index -> x"), nn.ReLU(inplace=True), (GraphConv(4, 4), "x, edge_index -> x"), BatchNorm(4), nn.ReLU(), nn.Linear(4, 2)])

    def forward(self, x, edge_index):
        return self.net(x, edge_index)


class Prop(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp, self.prop = MLP([3, 5, 2], norm=None), APPNP(3, 0.1)

    def forward(self, x, edge_index):
        return self.prop(self.mlp(x), edge_index)


class Nn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = NNConv(2, 3, nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 6)), aggr="mean")
        self.out = nn.Linear(3, 2)

    def forward(self, x, edge_index, edge_attr):
        return self.out(F.relu(self.conv1(x, edge_index, edge_attr)))


class OwnConv(MessagePassing):
    def __init__(self, inputs, outputs):
        super().__init__(aggr="add")
        self.lin = nn.Linear(inputs, outputs)

    def forward(self, x, edge_index):
        edge_index, _ = add_self_loops(edge_index, num_nodes=x.size(0))
        row, col = edge_index
        norm = degree(col, x.size(0), dtype=x.dtype).pow(-0.5)
        return self.propagate(edge_index, x=self.lin(x), norm=norm[row] * norm[col])

    def message(self, x_j, norm):
        return norm.view(-1, 1) * x_j


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = OwnConv(5, 6), OwnConv(6, 3)

    def forward(self, data):
        x, edge_index = data.x, data.edge_index
        return F.log_softmax(self.conv2(F.relu(self.conv1(x, edge_index)), edge_index), dim=1)


class Gcn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = GCNConv(16, 8), GCNConv(8, 7)

    def forward(self, data):
        x, edge_index = data.x, data.edge_index
        x = F.dropout(F.relu(self.conv1(x, edge_index)), training=self.training)
        return self.conv2(x, edge_index)


class Gat(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = GATConv(5, 4, heads=3), GATConv(12, 2, heads=2, concat=False)

    def forward(self, x, edge_index):
        return self.conv2(F.relu(self.conv1(x, edge_index)), edge_index)


class Sage(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = SAGEConv(5, 4), SAGEConv(4, 4)
        self.out = nn.Linear(8, 3)

    def forward(self, x, edge_index, batch):
        a = self.conv1(x, edge_index).relu()
        b = self.conv2(a, edge_index).relu()
        return self.out(torch.cat([global_mean_pool(b, batch), scatter_mean(a, batch, dim=0)], -1))
