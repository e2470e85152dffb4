import torch.nn as nn


class Factors(nn.Module):
    """A low-rank map: nothing nonlinear between the two factors."""

    def __init__(self, rank=4):
        super().__init__()
        self.down = nn.Linear(12, rank, bias=False)
        self.up = nn.Linear(rank, 12, bias=False)

    def forward(self, x):
        return self.up(self.down(x))
