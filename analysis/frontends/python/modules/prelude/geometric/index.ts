/** @file Stand-ins for PyTorch Geometric, whose layers find their arguments by the names of parameters at run time. */
import { attention } from "./attention";
import { convolutions } from "./convolutions";
import { passing, utilities } from "./passing";
import { pooling } from "./pooling";

/** Types and containers that files import and graphs do not depend on. */
const data = `
class Data:
    pass


class Batch(Data):
    pass


class HeteroData(Data):
    pass
`;

const typing = `
Adj = OptTensor = PairTensor = OptPairTensor = Size = NoneType = Tensor = SparseTensor = object
`;

const inits = `
import torch


def glorot(value):
    torch.nn.init.xavier_uniform_(value)


def zeros(value):
    if value is not None:
        torch.nn.init.zeros_(value)


def ones(value):
    torch.nn.init.ones_(value)


def reset(value):
    pass
`;

/** The files of `torch_geometric.nn` that layers are imported from, all of which hold what it holds. */
const PARTS =
  "conv dense pool glob norm models aggr sequential dense.linear conv.gcn_conv conv.gat_conv conv.sage_conv conv.gin_conv";

/** Stand-ins by module. */
export const geometricPrelude: Readonly<Record<string, string>> = {
  torch_scatter: utilities,
  "torch_geometric.utils": utilities,
  "torch_geometric.nn.conv.message_passing": passing,
  "torch_geometric.nn": convolutions + attention + pooling,
  ...Object.fromEntries(PARTS.split(" ").map((part) => [`torch_geometric.nn.${part}`, "from torch_geometric.nn import *\n"])),
  "torch_geometric.nn.inits": inits,
  "torch_geometric.data": data,
  "torch_geometric.typing": typing,
};
