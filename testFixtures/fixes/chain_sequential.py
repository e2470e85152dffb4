# takes activation fc.0.weight fc.1.weight
# takes merge-chain fc.0.weight fc.1.weight
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs=8):
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(inputs, 16),
            nn.Linear(16, 3),  # classes
        )

    def forward(self, x):
        return self.fc(x)


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=5e-4)
inputs, targets = torch.randn(32, 8), torch.randint(0, 3, (32,))


def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
    return loss
