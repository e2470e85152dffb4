# takes bias-fields query.weight key.weight value.weight out.weight
# takes undecayed-factors query.weight key.weight value.weight out.weight
# takes syre-diagonal query.weight
import torch as th
import torch.nn as nn


class Attention(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.query = nn.Linear(in_features=dim, out_features=dim)
        self.key = nn.Linear(in_features=dim, out_features=dim)
        self.value = nn.Linear(in_features=dim, out_features=dim)
        self.out = nn.Linear(in_features=dim, out_features=dim)

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(-2, -1) * 0.25
        return x + self.out(th.softmax(scores, dim=-1) @ self.value(x))


model = Attention()
optimizer = th.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1)
inputs = th.randn(4, 5, 16)


def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(inputs).pow(2).mean()
        loss.backward()
        optimizer.step()
    return loss
