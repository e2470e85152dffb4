# takes redraw-copies experts.1.0.weight
from copy import deepcopy

import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, dim=8, experts=3):
        super().__init__()
        expert = nn.Sequential(
            nn.Linear(dim, 16),
            nn.ReLU(),
            nn.Linear(16, dim),
        )
        self.experts = nn.ModuleList([deepcopy(expert) for _ in range(experts)])

    def forward(self, x):
        return sum(e(x) for e in self.experts)


torch.manual_seed(0)
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
inputs = torch.randn(6, 8)


def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(inputs).pow(2).mean()
        loss.backward()
        optimizer.step()
    return loss
