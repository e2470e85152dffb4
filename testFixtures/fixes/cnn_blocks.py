# takes input-expansion entry.weight
# takes syre entry.weight
# takes syre-parametrization entry.weight
# takes w-asymmetric block.2.weight
# takes normalise block.2.weight
# takes weight-norm block.2.weight
# takes dcs-sparse block.2.weight
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.entry = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.block = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))

    def forward(self, x):
        return self.head(self.block(self.entry(x)))


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
inputs, targets = torch.randn(6, 3, 12, 12), torch.randint(0, 4, (6,))


def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
    return loss
