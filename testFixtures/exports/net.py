# The source of the exports beside it: `python3 net.py` writes them with PyTorch 1.13.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 6, 3)
        self.bn2 = nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        return self.fc(self.bn2(self.conv2(x)).relu().mean((2, 3)))


if __name__ == "__main__":
    torch.manual_seed(0)
    net = Net()
    torch.onnx.export(net.eval(), torch.zeros(1, 3, 8, 8), "folded.onnx")
    mode = torch.onnx.TrainingMode.TRAINING
    torch.onnx.export(net.train(), torch.zeros(2, 3, 8, 8), "unfolded.onnx", training=mode, do_constant_folding=False)
    # modules-as-functions.onnx is GroupNormRelu of ../architectures/composite.py, by the same PyTorch:
    #   torch.onnx.export(GroupNormRelu(), torch.randn(6, 2, 6), "modules-as-functions.onnx", opset_version=16,
    #                     input_names=["x0"], training=torch.onnx.TrainingMode.PRESERVE, export_modules_as_functions=True)
