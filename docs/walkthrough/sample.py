"""A sample for Noether."""

import torch
from torch import nn
from torch.nn import functional as F


class Digits(nn.Module):
    """Classifies images of digits, 8 x 8 pixels."""

    def __init__(self, width: int = 32, classes: int = 10):
        super().__init__()
        self.fc1 = nn.Linear(64, width)
        self.norm = nn.BatchNorm1d(width)
        self.fc2 = nn.Linear(width, width)
        self.head = nn.Linear(width, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = images.flatten(1)
        x = torch.relu(self.norm(self.fc1(x)))
        x = torch.relu(self.fc2(x))
        return self.head(x)


def train(batches, epochs: int = 10) -> Digits:
    model = Digits()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.02)
    for _ in range(epochs):
        for images, labels in batches:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model
