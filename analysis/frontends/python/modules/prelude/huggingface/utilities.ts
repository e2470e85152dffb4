/** @file Stand-in for `transformers.utils` and what else is imported beside models: decorators, probes for packages, logging. */
import { outputs } from "./outputs";

/** Helpers that leave the network as it is. */
export const utilities = `
${outputs}

def _decorator(*args, **kwargs):
    return lambda f: f


add_start_docstrings = add_start_docstrings_to_model_forward = add_code_sample_docstrings = replace_return_docstrings = add_end_docstrings = _decorator


def auto_docstring(f=None, **kwargs):
    return f if f is not None else (lambda g: g)


def can_return_tuple(f):
    return f


def check_model_inputs(f=None, **kwargs):
    return f if f is not None else (lambda g: g)


merge_with_config_defaults = capture_outputs = check_model_inputs


def torch_int(x):
    return int(x)


def torch_float(x):
    return float(x)


def is_torch_available():
    return True


def is_flash_attn_2_available():
    return False


def is_flash_attn_greater_or_equal(*args):
    return False


def is_flash_attn_greater_or_equal_2_10(*args):
    return False


def is_torchdynamo_compiling():
    return False


def is_torch_flex_attn_available():
    return False


def is_torch_fx_proxy(x):
    return False


def is_torch_fx_available():
    return False


def is_scipy_available():
    return False


def is_mamba_ssm_available():
    return False


def is_causal_conv1d_available():
    return False


def is_accelerate_available():
    return False


def use_kernel_forward_from_hub(name):
    return lambda f: f


def use_kernel_func_from_hub(name):
    return lambda f: f


def use_kernelized_func(name):
    return lambda f: f


def use_experts_implementation(f):
    return f


def maybe_autocast(*args, **kwargs):
    return None


def lazy_load_kernel(*args, **kwargs):
    return None


class OutputRecorder:
    def __init__(self, *args, **kwargs):
        pass


class TransformersKwargs(dict):
    pass


class FlashAttentionKwargs(dict):
    pass


class Unpack:
    pass


class GenerationMixin:
    pass


class _Logger:
    def warning(self, *args):
        return None

    def warning_once(self, *args):
        return None

    def info(self, *args):
        return None

    def error(self, *args):
        return None

    def debug(self, *args):
        return None


class logging:
    @staticmethod
    def get_logger(name=None):
        return _Logger()


def deprecate_kwarg(*args, **kwargs):
    return lambda f: f


def copy_func(f):
    return f


DUMMY_INPUTS = DUMMY_MASK = None
`;
