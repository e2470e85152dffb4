/** @file Stand-in for `transformers.modeling_rope_utils`. */

/** Inverse frequencies of rotary embeddings. */
export const rope = `
import torch


def _compute_default_rope_parameters(config=None, device=None, seq_len=None, **kwargs):
    given = getattr(config, "rope_parameters", None) or {}
    base = given.get("rope_theta") or getattr(config, "rope_theta", None) or 10000.0
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    dim = int(head_dim * (given.get("partial_rotary_factor") or getattr(config, "partial_rotary_factor", None) or 1.0))
    inv_freq = 1.0 / (base ** (torch.arange(0, dim, 2).to(torch.float32) / dim))
    return inv_freq, 1.0


ROPE_INIT_FUNCTIONS = {
    "default": _compute_default_rope_parameters,
    "linear": _compute_default_rope_parameters,
    "dynamic": _compute_default_rope_parameters,
    "yarn": _compute_default_rope_parameters,
    "longrope": _compute_default_rope_parameters,
    "llama3": _compute_default_rope_parameters,
    "proportional": _compute_default_rope_parameters,
}


def dynamic_rope_update(f):
    return f


def rope_config_validation(*args, **kwargs):
    return None


def standardize_rope_params(*args, **kwargs):
    return None


class RopeParameters(dict):
    pass


class RotaryEmbeddingConfigMixin:
    pass
`;
