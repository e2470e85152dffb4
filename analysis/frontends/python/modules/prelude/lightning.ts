/** @file Stand-ins for Lightning: a module with hyperparameters and logging. */

const lightning = `
import torch
from torch import nn
from _noether import caller_locals
from types import SimpleNamespace


class _Hyperparameters:
    def __init__(self, values):
        for key, value in values.items():
            setattr(self, key, value)

    def __getitem__(self, key):
        return getattr(self, key)

    def get(self, key, default=None):
        return getattr(self, key, default)


class LightningModule(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    def save_hyperparameters(self, *args, **kwargs):
        values = {k: v for k, v in caller_locals().items() if k not in ("self", "__class__")}
        nested = values.pop("kwargs", None)
        if isinstance(nested, dict):
            values.update(nested)
        for name in ("hparams", "config", "args"):
            given = values.get(name)
            if len(args) == 1 and given is args[0] and given is not None:
                if isinstance(given, dict):
                    values = given
                else:
                    self.hparams = given
                    return
        self.hparams = _Hyperparameters(values)

    @property
    def device(self):
        return torch.device("cpu")

    @property
    def current_epoch(self):
        return 0

    @property
    def global_step(self):
        return 0

    @property
    def trainer(self):
        return None

    @property
    def automatic_optimization(self):
        return True

    def log(self, *args, **kwargs):
        return None

    def log_dict(self, *args, **kwargs):
        return None

    def print(self, *args, **kwargs):
        return None

    def optimizers(self, *args, **kwargs):
        return None

    def manual_backward(self, loss, *args, **kwargs):
        loss.backward()

    def lr_schedulers(self):
        return None

    def toggle_optimizer(self, *args, **kwargs):
        return None

    def untoggle_optimizer(self, *args, **kwargs):
        return None


class LightningDataModule:
    def __init__(self, *args, **kwargs):
        pass


class Callback:
    pass


def seed_everything(*args, **kwargs):
    return None
`;

/** Text by module name. */
export const lightningPrelude: Readonly<Record<string, string>> = Object.fromEntries(
  [
    "pytorch_lightning",
    "lightning",
    "lightning.pytorch",
    "pytorch_lightning.core",
    "pytorch_lightning.core.lightning",
    "lightning.pytorch.core",
  ].map((name) => [name, lightning]),
);
