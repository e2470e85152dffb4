# takes input-expansion fc1.weight
# takes syre fc1.weight
# takes syre-diagonal fc1.weight
# takes syre-parametrization fc1.weight
# takes w-asymmetric fc1.weight
# takes figlu fc1.weight
# takes normalise fc1.weight
# takes weight-norm fc1.weight
# takes dcs-sparse fc1.weight
# takes dcs-low-rank fc2.weight
# takes undecayed-factors fc1.weight fc2.weight
# takes weight-decay fc1.weight
# takes learning-rate fc1.weight
"""A dense network whose layers are attributes."""
import torch
from torch import nn


# The network.
class Net(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.fc1 = nn.Linear(8, width)  # eight features
        self.fc2 = nn.Linear(width, 3)

    def forward(self, x):
        # Class scores.
        return self.fc2(self.fc1(x).relu())


torch.manual_seed(0)
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
inputs, targets = torch.randn(32, 8), torch.randint(0, 3, (32,))


def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
    return loss
