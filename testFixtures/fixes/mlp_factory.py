# takes input-expansion layers.0.weight
# takes syre layers.0.weight
# takes syre-diagonal layers.0.weight
# takes syre-parametrization layers.0.weight
# takes w-asymmetric layers.0.weight
# takes figlu layers.0.weight
# takes normalise layers.0.weight
# takes weight-norm layers.0.weight
# takes dcs-sparse layers.0.weight
# takes dcs-low-rank layers.2.weight
# takes undecayed-factors layers.0.weight layers.2.weight
# takes weight-decay layers.0.weight
# takes learning-rate layers.0.weight
from torch.optim import Adam
from torch import nn, randint, randn


def make(width: int = 12) -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, width), nn.Tanh(), nn.Linear(width, 2))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = make()

    def forward(self, x):
        return self.layers(x)


model = Net()
optimizer = Adam(model.parameters(), 0.01, weight_decay=1e-3)
inputs, targets = randn(16, 5), randint(0, 2, (16,))


def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
    return loss
