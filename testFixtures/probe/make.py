"""Makes the fixtures of the training tests: models, data and the losses of 40 steps in PyTorch.

Run with a Python that has torch 1.13 and onnx, in this folder:  python3 make.py
Writes NAME.onnx (weights inside) and NAME.json (data, and per optimiser the losses and the norm of the last weights).
"""

import json
import math

import onnx
import onnx.numpy_helper
import torch
from torch import nn

torch.manual_seed(0)
torch.set_num_threads(1)


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(6, 16)
        self.fc2 = nn.Linear(16, 16)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        return self.head(torch.tanh(self.fc2(torch.relu(self.fc1(x)))))


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 6, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn1(self.conv1(x))))
        x = torch.relu(self.bn2(self.conv2(x)))
        return self.head(x.mean((2, 3)))


class Transformer(nn.Module):
    def __init__(self, vocabulary=11, width=16, heads=2, length=6):
        super().__init__()
        self.heads = heads
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Parameter(torch.randn(length, width) * 0.1)
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 32)
        self.down = nn.Linear(32, width)
        self.norm3 = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, t):
        x = self.tokens(t) + self.places
        b, n, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-1, -2) / math.sqrt(d // self.heads)
        mask = torch.triu(torch.full((n, n), -1e9), 1)
        y = (torch.softmax(scores + mask, -1) @ v).transpose(1, 2).reshape(b, n, d)
        x = x + self.out(y)
        x = x + self.down(nn.functional.gelu(self.up(self.norm2(x))))
        return self.head(self.norm3(x))


class Recurrent(nn.Module):
    """An embedding, then an LSTM, a GRU and a plain recurrence one behind the other."""

    def __init__(self, vocabulary=9, width=8):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, 6, batch_first=True)
        self.gru = nn.GRU(6, 7, batch_first=True)
        self.rnn = nn.RNN(7, 6, batch_first=True)
        self.head = nn.Linear(6, vocabulary)

    def forward(self, t):
        x, _ = self.lstm(self.tokens(t))
        x, _ = self.gru(x)
        x, _ = self.rnn(x)
        return self.head(x)


STEPS = 40
BATCH = 8
EXAMPLES = 48


def optimisers(model):
    params = list(model.named_parameters())
    matrices = [p for n, p in params if p.dim() > 1]
    vectors = [p for n, p in params if p.dim() <= 1]
    everything = [p for n, p in params]
    return {
        "sgd": torch.optim.SGD(everything, lr=0.1),
        "momentum": torch.optim.SGD(everything, lr=0.05, momentum=0.9, dampening=0.1, weight_decay=0.01),
        "nesterov": torch.optim.SGD(everything, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
        "adam": torch.optim.Adam(everything, lr=0.01, weight_decay=0.01),
        "adamw": torch.optim.AdamW(
            [{"params": matrices}, {"params": vectors, "weight_decay": 0.0, "lr": 0.005}], lr=0.01, weight_decay=0.1, betas=(0.8, 0.95)
        ),
        "clipped": torch.optim.SGD(everything, lr=0.1),
        "cosine": torch.optim.SGD(everything, lr=0.1),
        "linear": torch.optim.AdamW(everything, lr=0.01, weight_decay=0.01),
        "stepwise": torch.optim.SGD(everything, lr=0.1, momentum=0.5),
    }


def scheduler(kind, optimiser):
    """PyTorch's own schedulers, stepped after each update."""
    if kind == "linear":
        return torch.optim.lr_scheduler.LinearLR(optimiser, start_factor=1.0, end_factor=0.2, total_iters=STEPS - 1)
    if kind == "stepwise":
        return torch.optim.lr_scheduler.StepLR(optimiser, step_size=7, gamma=0.6)
    return None


def make(name, model, inputs, targets, loss):
    model.train()
    example = inputs[:BATCH]
    torch.onnx.export(
        model, (example,), f"{name}.onnx", opset_version=16, training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False,
        keep_initializers_as_inputs=False, input_names=["x"], output_names=["y"],
    )
    # The exporter runs the model, which moves running statistics: training starts from what is in the file.
    written = {i.name: torch.tensor(onnx.numpy_helper.to_array(i)) for i in onnx.load(f"{name}.onnx").graph.initializer}
    start = {k: written.get(k, v).clone() for k, v in model.state_dict().items()}
    out = {"steps": STEPS, "batch": BATCH, "optimisers": {}}
    order = torch.stack([torch.randperm(EXAMPLES)[:BATCH] for _ in range(STEPS)])
    for kind in optimisers(model):
        model.load_state_dict(start)
        optimiser = optimisers(model)[kind]
        schedule = scheduler(kind, optimiser)
        losses, norms = [], []
        for step in range(STEPS):
            if kind == "cosine":
                warmup = 5
                factor = (step + 1) / warmup if step < warmup else 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (STEPS - 1 - warmup)))
                for group in optimiser.param_groups:
                    group["lr"] = 0.1 * factor
            rows = order[step]
            optimiser.zero_grad()
            value = loss(model(inputs[rows]), targets[rows])
            value.backward()
            if kind == "sgd" and step == 0:
                out["gradient"] = {n: [float(f"{v:.8g}") for v in p.grad.flatten().tolist()] for n, p in model.named_parameters()}
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5 if kind == "clipped" else 1e9)
            optimiser.step()
            if schedule is not None:
                schedule.step()
            losses.append(float(value))
            norms.append(float(norm))
        final = {k: float(v.double().norm()) for k, v in model.state_dict().items() if v.is_floating_point()}
        out["optimisers"][kind] = {"losses": losses, "norms": norms, "final": final}
    out["order"] = order.tolist()
    out["inputs"] = [round(v, 6) for v in inputs.flatten().tolist()]
    out["shape"] = list(inputs.shape)
    out["targets"] = targets.flatten().tolist()
    with open(f"{name}.json", "w") as f:
        json.dump(out, f)


def rounded(t):
    return torch.round(t * 1e6) / 1e6


make("mlp", Mlp(), rounded(torch.randn(EXAMPLES, 6)), torch.randint(0, 4, (EXAMPLES,)), nn.functional.cross_entropy)
make("cnn", Cnn(), rounded(torch.randn(EXAMPLES, 2, 8, 8)), torch.randint(0, 3, (EXAMPLES,)), nn.functional.cross_entropy)
tokens = torch.randint(0, 11, (EXAMPLES, 7))
make(
    "transformer", Transformer(), tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous(),
    lambda y, t: nn.functional.cross_entropy(y.flatten(0, 1), t.flatten()),
)
tokens = torch.randint(0, 9, (EXAMPLES, 6))
make(
    "recurrent", Recurrent(), tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous(),
    lambda y, t: nn.functional.cross_entropy(y.flatten(0, 1), t.flatten()),
)
