"""Writes expected.json: run with a Python that has PyTorch, from this folder."""
import json

import torch
from torch import nn
from torch.nn.parameter import is_lazy

import operations


def flat(v):
    if isinstance(v, torch.Tensor):
        return [v]
    return [t for x in v for t in flat(x)]


def entry(t):
    return {"shape": list(t.shape), "data": [float(f"{v:.9g}") for v in t.detach().double().flatten().tolist()]}


torch.set_default_dtype(torch.float64)
out = {}
for name, shapes in operations.INPUTS.items():
    torch.manual_seed(3)
    model = getattr(operations, name)().double()
    if any(is_lazy(p) for p in model.parameters()):
        model(*[torch.zeros(*s) for s in shapes])
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn_like(p) * 0.3)
    inputs = [torch.randn(*s) for s in shapes]
    parameters = {n: entry(p) for n, p in list(model.named_parameters()) + [(n, b) for n, b in model.named_buffers() if "num_batches" not in n]}
    results = flat(model(*[x.clone() for x in inputs]))
    out[name] = {"inputs": [entry(x) for x in inputs], "parameters": parameters, "outputs": [entry(y) for y in results]}
with open("expected.json", "w") as f:
    json.dump(out, f, separators=(",", ":"))
