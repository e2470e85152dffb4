"""Replica-steps per second of PyTorch eager: python3 torch_steps.py CLASS BATCH THREADS SECONDS SHAPE...

Prints one number: the best of several windows. Run several at once to use several cores.
"""

import sys
import time

import torch
from torch import nn

import models

name, batch, threads, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
shape = [int(s) for s in sys.argv[5:]]
torch.set_num_threads(threads)
torch.manual_seed(0)
model = getattr(models, name)()
optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
tokens = "Transformer" in name
if tokens:
    vocabulary = model.tokens.num_embeddings
    x = torch.randint(0, vocabulary, (batch, *shape))
    y = torch.randint(0, vocabulary, (batch, *shape))
else:
    x = torch.randn(batch, *shape)
    y = torch.randint(0, 4, (batch,))


def step():
    optimiser.zero_grad()
    out = model(x)
    loss = nn.functional.cross_entropy(out.flatten(0, 1), y.flatten()) if tokens else nn.functional.cross_entropy(out, y)
    loss.backward()
    optimiser.step()
    return loss.detach()


for _ in range(3):
    step()
best = 0.0
end = time.perf_counter() + seconds
while time.perf_counter() < end:
    start = time.perf_counter()
    n = 0
    while time.perf_counter() - start < 0.15:
        step()
        n += 1
    best = max(best, n / (time.perf_counter() - start))
print(best)
