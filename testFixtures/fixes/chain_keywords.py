# takes activation fc1.weight fc2.weight
# takes merge-chain fc1.weight fc2.weight
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs=8):
        super().__init__()
        self.fc1 = nn.Linear(in_features=inputs, out_features=16, bias=False)
        self.fc2 = nn.Linear(in_features=16, out_features=3, bias=True)

    def forward(self, x):
        y = self.fc1(x)
        return self.fc2(y)


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
