# takes input-expansion layers.0.weight
# takes syre layers.0.weight
# takes syre-diagonal layers.0.weight
# takes syre-parametrization layers.0.weight
# takes w-asymmetric layers.0.weight
# takes figlu layers.0.weight
# takes normalise layers.0.weight
# takes weight-norm layers.0.weight
# takes dcs-sparse layers.2.weight
# takes dcs-low-rank layers.2.weight
# takes undecayed-factors layers.0.weight layers.2.weight
# takes weight-decay layers.0.weight
# takes learning-rate layers.0.weight
'''Layers in a Sequential; options of the optimiser have names.'''
import torch
import torch.nn as nn
import torch.nn.functional as F

RATE = 1e-3
DECAY = 0.05


class Net(nn.Module):
  def __init__(self):
    super().__init__()
    self.layers = nn.Sequential(
      nn.Linear(8, 32),  # units
      nn.GELU(),
      nn.Linear(32, 4),
    )

  def forward(self, x):
    return self.layers(x)


model = Net()
optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
inputs, targets = torch.randn(16, 8), torch.randn(16, 4)


def train(steps):
  for _ in range(steps):
    optimizer.zero_grad()
    loss = F.mse_loss(model(inputs), targets)
    print('loss', 'is', 'computed') if steps < 0 else None
    loss.backward()
    optimizer.step()
  return loss
