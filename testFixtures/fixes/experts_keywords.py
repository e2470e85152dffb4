# takes router-noise router.weight
import torch
from torch import nn


class Moe(nn.Module):
    def __init__(self, dim=16, experts=4):
        super().__init__()
        self.router = nn.Linear(in_features=dim, out_features=experts, bias=False)
        self.experts = nn.ModuleList([nn.Linear(dim, dim) for _ in range(experts)])

    def forward(self, x):
        logits = self.router(x)
        weights, chosen = torch.topk(torch.softmax(logits, dim=-1), 2, dim=-1)
        every = torch.stack([expert(x) for expert in self.experts], dim=-2)
        picked = torch.gather(every, -2, chosen.unsqueeze(-1).expand(*chosen.shape, x.shape[-1]))
        return (weights.unsqueeze(-1) * picked).sum(-2)


model = Moe()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
inputs = torch.randn(6, 16)


def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(inputs).pow(2).mean()
        loss.backward()
        optimizer.step()
    return loss
