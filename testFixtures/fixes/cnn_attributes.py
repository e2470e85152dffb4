# takes input-expansion conv1.weight
# takes syre conv1.weight
# takes syre-parametrization conv1.weight
# takes w-asymmetric conv2.weight
# takes normalise conv2.weight
# takes weight-norm conv2.weight
# takes dcs-sparse conv2.weight
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.norm1(self.conv1(x)).relu()
        x = self.conv2(x).relu()
        return self.head(x.mean((2, 3)))


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
