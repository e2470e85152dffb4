# takes input-expansion stem.weight
# takes syre stem.weight
# takes syre-parametrization stem.weight
# takes w-asymmetric conv.weight
# takes normalise conv.weight
# takes weight-norm conv.weight
# takes dcs-sparse conv.weight
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(in_channels=3, out_channels=6, kernel_size=3, bias=False)
        self.norm = nn.BatchNorm2d(num_features=6)
        self.conv = nn.Conv2d(
            in_channels=6,
            out_channels=8,
            kernel_size=3,
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(in_features=8, out_features=4)

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x)))
        x = F.relu(self.conv(x))
        x = torch.flatten(self.pool(x), 1)
        return self.head(x)


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
