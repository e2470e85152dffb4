/** @file Stand-in for `transformers.modeling_utils` and its neighbours: base classes of models, and layers that they share. */

/** `PreTrainedModel`, mixins, attention by name, `Conv1D`. */
export const modelling = `
import torch
from torch import nn
import torch.nn.functional as F


class GenerationMixin:
    pass


class ModuleUtilsMixin:
    pass


class PushToHubMixin:
    pass


class EmbeddingAccessMixin:
    pass


def eager_attention_forward(module, query, key, value, attention_mask=None, scaling=None, dropout=0.0, **kwargs):
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key = key.repeat_interleave(groups, dim=1)
        value = value.repeat_interleave(groups, dim=1)
    scaling = query.size(-1) ** -0.5 if scaling is None else scaling
    weights = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        weights = weights + attention_mask[:, :, :, : key.shape[-2]]
    weights = F.dropout(F.softmax(weights, dim=-1), dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


class _AttentionTable:
    def __getitem__(self, key):
        return eager_attention_forward

    def get(self, key, default=None):
        return default if default is not None else eager_attention_forward

    def get_interface(self, key, default=None):
        return default if default is not None else eager_attention_forward

    def __contains__(self, key):
        return True


ALL_ATTENTION_FUNCTIONS = _AttentionTable()


class PreTrainedModel(nn.Module):
    config_class = None
    base_model_prefix = ""
    supports_gradient_checkpointing = False
    _no_split_modules = None
    _tied_weights_keys = None
    main_input_name = "input_ids"

    def __init__(self, config, *inputs, **kwargs):
        super().__init__()
        self.config = config
        self.name_or_path = ""

    @classmethod
    def _from_config(cls, config, **kwargs):
        return cls(config)

    @classmethod
    def from_config(cls, config, **kwargs):
        return cls(config)

    @property
    def dtype(self):
        return torch.float32

    @property
    def device(self):
        return torch.device("cpu")

    @property
    def base_model(self):
        return getattr(self, self.base_model_prefix, self)

    @property
    def loss_function(self):
        return _loss

    def is_gradient_checkpointing(self):
        return False

    def _init_weights(self, module):
        return None

    def init_weights(self):
        self.apply(self._init_weights)
        self.tie_weights()

    def post_init(self):
        self.init_weights()

    def get_input_embeddings(self):
        base = getattr(self, self.base_model_prefix, None) if self.base_model_prefix else None
        if base is not None and base is not self:
            return base.get_input_embeddings()
        return getattr(self, "embed_tokens", None)

    def set_input_embeddings(self, value):
        return None

    def get_output_embeddings(self):
        return getattr(self, "lm_head", None)

    def tie_weights(self):
        if not getattr(self.config, "tie_word_embeddings", True):
            return
        output = self.get_output_embeddings()
        entry = self.get_input_embeddings()
        if output is not None and entry is not None and hasattr(entry, "weight") and hasattr(output, "weight"):
            output.weight = entry.weight

    def get_head_mask(self, head_mask, num_hidden_layers, is_attention_chunked=False):
        return [None] * num_hidden_layers

    def get_extended_attention_mask(self, attention_mask, input_shape, device=None, dtype=None):
        if attention_mask.dim() == 3:
            extended = attention_mask[:, None, :, :]
        else:
            extended = attention_mask[:, None, None, :]
        return (1.0 - extended.to(torch.float32)) * -10000.0

    def invert_attention_mask(self, attention_mask):
        return self.get_extended_attention_mask(attention_mask, None)

    def warn_if_padding_and_no_attention_mask(self, *args):
        return None

    def gradient_checkpointing_enable(self, *args, **kwargs):
        return None

    def _gradient_checkpointing_func(self, function, *args, **kwargs):
        return function(*args, **kwargs)


def _loss(logits, labels, vocab_size=None, **kwargs):
    return F.cross_entropy(logits.view(-1, logits.shape[-1]), labels.view(-1))


def apply_chunking_to_forward(forward_fn, chunk_size, chunk_dim, *input_tensors):
    return forward_fn(*input_tensors)


def find_pruneable_heads_and_indices(heads, n_heads, head_size, already_pruned_heads):
    return set(), torch.arange(n_heads * head_size)


def prune_linear_layer(layer, index, dim=0):
    return layer


def prune_conv1d_layer(layer, index, dim=1):
    return layer


class Conv1D(nn.Module):
    def __init__(self, nf, nx):
        super().__init__()
        self.nf = nf
        self.nx = nx
        self.weight = nn.Parameter(torch.empty(nx, nf))
        self.bias = nn.Parameter(torch.zeros(nf))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x):
        return torch.matmul(x, self.weight) + self.bias


def meshgrid(*tensors, indexing="ij"):
    return torch.meshgrid(*tensors, indexing=indexing)


def isin_mps_friendly(elements, test_elements):
    return torch.isin(elements, test_elements)


ALL_LAYERNORM_LAYERS = [nn.LayerNorm]
is_torch_greater_or_equal_than_1_13 = True
is_torch_greater_or_equal_than_2_1 = True
is_torch_greater_or_equal_than_2_2 = True
is_torch_greater_or_equal_than_2_4 = True


class GradientCheckpointingLayer(nn.Module):
    gradient_checkpointing = False


class GenericForSequenceClassification:
    pass


class GenericForTokenClassification:
    pass


class GenericForQuestionAnswering:
    pass
`;
