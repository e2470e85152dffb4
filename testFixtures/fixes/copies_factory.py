# takes redraw-copies branches.1.fc.weight
import copy
import torch


class Branch(torch.nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(in_features=dim, out_features=dim)
        self.scale = torch.nn.Parameter(torch.ones(dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x).tanh() * self.scale


def copies(branch: torch.nn.Module, n: int) -> torch.nn.ModuleList:
    return torch.nn.ModuleList(copy.deepcopy(branch) for _ in range(n))


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branches = copies(Branch(8), 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.branches[0](x) + self.branches[1](x)


torch.manual_seed(0)
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
inputs = torch.randn(6, 8)


def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(inputs).pow(2).mean()
        loss.backward()
        optimizer.step()
    return loss
