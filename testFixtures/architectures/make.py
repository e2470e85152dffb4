"""Exports the architectures of this folder to onnx/ and measures their continuous symmetry dimension into measured.json.

The dimension is parameters minus the rank of the Jacobian of all outputs by the trained parameters: float64, generic random weights,
normalisation epsilons zero, batch norm in training mode, the largest rank over several draws. It knows nothing of Noether.
Needs PyTorch 1.13 with functorch and onnx.   python3 make.py [Model ...]
"""
import inspect
import json
import pathlib
import sys

import functorch
import onnx
import torch
from torch import nn

import attention
import by_hand
import composite
import convolutional
import elsewhere
import factored
import images
import kinds
import latent
import phases
import picked
import published
import recurrent
import sequences

HERE = pathlib.Path(__file__).parent
DRAWS, MOST_DRAWS = 6, 60
OPSETS = (13, 14, 15, 16, 17)


def models():
    for module in (recurrent, convolutional, attention, composite, sequences, images, factored, elsewhere, latent, phases, picked, published, kinds):
        for name, cls in inspect.getmembers(module, inspect.isclass):
            if cls.__module__ == module.__name__ and hasattr(cls, "shape"):
                yield name, cls


def example(cls, dtype):
    if hasattr(cls, "tokens"):
        return torch.randint(0, cls.tokens, cls.shape)
    return torch.randn(*cls.shape, dtype=dtype) * 1.5


def build(cls):
    model = cls()
    for name, p in model.named_parameters():
        p.requires_grad_(name not in getattr(cls, "frozen", ()))
    return model


def randomise(model):
    """Generic weights; gains stay positive and epsilons vanish, so that no unit dies and scales are exact."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            gain = p.dim() == 1 and name.split(".")[-1] in ("weight", "weight_g")
            p.copy_(torch.rand_like(p) + 0.5 if gain else torch.randn_like(p) * (0.3 if p.dim() == 1 else 0.8))
        for name, b in model.named_buffers():
            if name.endswith("running_var"):
                b.copy_(torch.rand_like(b) + 0.5)
            elif name.endswith("running_mean"):
                b.copy_(torch.randn_like(b))
    for module in model.modules():
        if hasattr(module, "eps"):
            module.eps = 0.0
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and model.training:
            module.track_running_stats, module.running_mean, module.running_var = False, None, None


def jacobian_rank(cls, seed):
    """(parameters, rank, smallest kept and largest dropped singular value relative to the largest)."""
    torch.manual_seed(seed)
    evaluation = getattr(cls, "evaluation", False) or getattr(cls, "random", False)
    model = build(cls).double().train(not evaluation)
    randomise(model)
    function, params, buffers = functorch.make_functional_with_buffers(model)
    theta = torch.cat([p.detach().reshape(-1) for p in params if p.requires_grad]).requires_grad_(True)

    def outputs(x):
        pieces, at = [], 0
        for p in params:
            if p.requires_grad:
                pieces.append(theta[at:at + p.numel()].view(p.shape))
                at += p.numel()
            else:
                pieces.append(p)
        y = function(tuple(pieces), buffers, x)
        return torch.cat([z.reshape(-1) for z in (y if isinstance(y, tuple) else (y,))])

    rows = []
    while sum(len(r) for r in rows) < 3 * len(theta) + 50:
        y = outputs(example(cls, torch.float64))
        rows.append(torch.autograd.grad(y, theta, torch.eye(len(y), dtype=y.dtype), is_grads_batched=True)[0])
    jac = torch.cat(rows)
    s = torch.linalg.svdvals(jac / (jac.norm(dim=1, keepdim=True) + 1e-30))
    rank = int((s > s[0] * 1e-9).sum())
    return len(theta), rank, float(s[rank - 1] / s[0]), float(s[rank] / s[0]) if rank < len(s) else 0.0


def export(name, cls, opset):
    torch.manual_seed(7)
    model = build(cls)
    with torch.no_grad():
        for b in (m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.running_var is not None):
            b.running_mean.normal_()
            b.running_var.uniform_(0.5, 1.5)
    evaluation, folded = getattr(cls, "evaluation", False), getattr(cls, "folded", False)
    mode = torch.onnx.TrainingMode.EVAL if evaluation else torch.onnx.TrainingMode.TRAINING
    model.train(not evaluation)
    path = HERE / "onnx" / f"{name}.onnx"
    torch.onnx.export(model, example(cls, torch.float32), str(path), training=mode, do_constant_folding=folded, opset_version=opset,
                      input_names=["x"], keep_initializers_as_inputs=False)
    onnx.checker.check_model(str(path))


if __name__ == "__main__":
    (HERE / "onnx").mkdir(exist_ok=True)
    target = HERE / "measured.json"
    measured = json.loads(target.read_text()) if target.exists() else {}
    wanted = sys.argv[1:]
    for index, (name, cls) in enumerate(models()):
        if wanted and name not in wanted:
            continue
        try:
            export(name, cls, OPSETS[index % len(OPSETS)])
            ranks = [jacobian_rank(cls, seed) for seed in range(DRAWS)]
            if len({r[1] for r in ranks}) > 1:  # rectifiers that are off or on for all inputs, at some draws
                ranks += [jacobian_rank(cls, seed) for seed in range(DRAWS, getattr(cls, "draws", MOST_DRAWS))]
        except Exception as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        n, rank, kept, dropped = max(ranks, key=lambda r: r[1])
        if getattr(cls, "fused", False) or getattr(cls, "jumps", False):
            continue  # the exported graph is another one, or derivatives do not see what jumps
        measured[name] = {"parameters": n, "dimension": n - rank, "frozen": [*getattr(cls, "frozen", ())]}
        print(f"{name:26s} parameters {n:4d}  continuous {n - rank:3d} (kept {kept:.0e}, dropped {dropped:.0e})  {sorted(set(r[1] for r in ranks))}", flush=True)
    if not wanted or "by_hand" in wanted:
        by_hand.save(HERE / "onnx")
    target.write_text(json.dumps(measured, indent=1, sort_keys=True) + "\n")
