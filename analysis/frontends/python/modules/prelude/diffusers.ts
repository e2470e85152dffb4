/** @file Stand-ins for diffusers' base classes and helpers. */

const diffusers = `
import inspect
from types import SimpleNamespace
from torch import nn


class ConfigMixin:
    config_name = None


class ModelMixin(nn.Module):
    pass


class UNet2DConditionLoadersMixin:
    pass


class PeftAdapterMixin:
    pass


class FromOriginalModelMixin:
    pass


def register_to_config(init):
    def inner(self, *args, **kwargs):
        names = [n for n in inspect.signature(init).parameters if n != "self"]
        values = {n: p.default for n, p in inspect.signature(init).parameters.items() if n != "self"}
        values.update(dict(zip(names, args)))
        values.update(kwargs)
        self.config = SimpleNamespace(**values)
        return init(self, *args, **kwargs)
    return inner


class BaseOutput:
    def __init__(self, *args, **kwargs):
        for key, value in kwargs.items():
            setattr(self, key, value)

    def to_tuple(self):
        return tuple(self.__dict__.values())

    def __getitem__(self, key):
        if isinstance(key, str):
            return getattr(self, key)
        return self.to_tuple()[key]


def deprecate(*args, **kwargs):
    return None


def is_torch_version(*args):
    return True


def apply_forward_hook(f):
    return f


def maybe_allow_in_graph(cls):
    return cls


class logging:
    @staticmethod
    def get_logger(name=None):
        return SimpleNamespace(warning=print, info=print, warn=print, debug=print)
`;

/** Text by module name. */
export const diffusersPrelude: Readonly<Record<string, string>> = {
  "diffusers.configuration_utils": diffusers,
  "diffusers.models.modeling_utils": diffusers,
  "diffusers.utils": diffusers,
  "diffusers.utils.torch_utils": diffusers,
  "diffusers.utils.accelerate_utils": diffusers,
};
