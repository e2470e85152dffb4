# takes input-expansion body.weight
# takes syre body.weight
# takes syre-diagonal body.weight
# takes w-asymmetric body.weight
# takes figlu body.weight
# takes normalise body.weight
# takes weight-norm body.weight
# takes dcs-sparse body.weight
# takes dcs-low-rank head.weight
# takes undecayed-factors body.weight head.weight
# takes weight-decay body.weight
# takes learning-rate body.weight
# refuses syre-parametrization body.weight: the optimiser is made by a class
import torch.nn.functional as F
import torch.optim as optim
import torch


class Net(torch.nn.Module):
    def __init__(self, features: int = 6, hidden: int = 10) -> None:
        super().__init__()
        self.body = torch.nn.Linear(
            in_features=features,
            out_features=hidden,
            bias=True,
        )
        self.head = torch.nn.Linear(in_features=hidden, out_features=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.relu(self.body(x)))


class Trainer:
    def __init__(self) -> None:
        self.model = Net(features=6)
        self.optimizer = optim.SGD(params=self.model.parameters(), lr=0.05, weight_decay=0.01)

    def fit(self, inputs, targets, steps):
        for _ in range(steps):
            def closure():
                self.optimizer.zero_grad()
                loss = F.cross_entropy(self.model(inputs), targets)
                loss.backward()
                return loss
            loss = self.optimizer.step(closure)
        return loss


trainer = Trainer()
model, optimizer = trainer.model, trainer.optimizer
inputs, targets = torch.randn(20, 6), torch.randint(0, 2, (20,))


def train(steps):
    return trainer.fit(inputs, targets, steps)
