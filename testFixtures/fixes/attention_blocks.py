# takes bias-fields attn.q.weight attn.k.weight attn.v.weight attn.o.weight
# takes undecayed-factors attn.q.weight attn.k.weight attn.v.weight attn.o.weight
# takes syre-diagonal attn.q.weight
import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.o = nn.Linear(dim, dim)

    def split(self, x):
        b, t, c = x.shape
        return x.view(b, t, self.heads, c // self.heads).transpose(1, 2)

    def forward(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        a = torch.softmax(q @ k.transpose(-2, -1), dim=-1) @ v
        return self.o(a.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, dim=16, heads=4):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attn = Attention(dim, heads)

    def forward(self, x):
        return x + self.attn(self.norm(x))


model = Block()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1)
inputs = torch.randn(4, 5, 16)


def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(inputs).pow(2).mean()
        loss.backward()
        optimizer.step()
    return loss
