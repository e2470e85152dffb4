"""The networks of docs/papers.md: small, ordinary, and each with the symmetry that a paper is about."""

import torch
from torch import nn
import torch.nn.functional as F


# noether: TanhStudent(), input=(64, 8)
class TanhStudent(nn.Module):
    """Units may be exchanged and change sign."""

    def __init__(self, units: int = 24):
        super().__init__()
        self.fc1 = nn.Linear(8, units)
        self.fc2 = nn.Linear(units, 2)

    def forward(self, x):
        return self.fc2(torch.tanh(self.fc1(x)))


# noether: ReluStudent(), input=(64, 8)
class ReluStudent(nn.Module):
    """Units may be exchanged, and trade scale between both layers."""

    def __init__(self, units: int = 24):
        super().__init__()
        self.fc1 = nn.Linear(8, units)
        self.fc2 = nn.Linear(units, 2)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x)))


# noether: LinearPair(), input=(256, 8)
class LinearPair(nn.Module):
    """Any invertible matrix may go between the two layers: GL(8)."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(8, 8, bias=False)
        self.outer = nn.Linear(8, 8, bias=False)

    def forward(self, x):
        return self.outer(self.inner(x))


# noether: NormedStudent(), input=(64, 8)
class NormedStudent(nn.Module):
    """The first layer's rows do not care for their scale: batch normalisation removes it."""

    def __init__(self, units: int = 24):
        super().__init__()
        self.fc1 = nn.Linear(8, units, bias=False)
        self.bn1 = nn.BatchNorm1d(units)
        self.fc2 = nn.Linear(units, 2)

    def forward(self, x):
        return self.fc2(F.relu(self.bn1(self.fc1(x))))


class DigitNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.conv3 = nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(32)
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        h = F.relu(self.bn1(self.conv1(x)))
        h = F.relu(self.bn2(self.conv2(h)))
        h = F.relu(self.bn3(self.conv3(h)))
        return self.fc(h.mean((2, 3)))


# noether: Digits(), input=(32, 1, 28, 28)
class Digits(DigitNet):
    """Digits as they are."""


# noether: ExpandedDigits(), input=(32, 1, 56, 56)
class ExpandedDigits(DigitNet):
    """The same network on expanded digits: every second row and column of pixels is a constant."""
