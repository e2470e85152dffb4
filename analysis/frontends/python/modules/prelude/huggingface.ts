/** @file Stand-ins for what Hugging Face style model code imports: configurations, base classes, activations, masks, caches. */

const configuration = `
class PretrainedConfig:
    model_type = ""
    attribute_map = {}
    base_model_tp_plan = None

    def __init__(self, **kwargs):
        self.return_dict = kwargs.pop("return_dict", True)
        self.output_hidden_states = kwargs.pop("output_hidden_states", False)
        self.output_attentions = kwargs.pop("output_attentions", False)
        self.torchscript = False
        self.torch_dtype = None
        self.dtype = None
        self.pruned_heads = {}
        self.tie_word_embeddings = kwargs.pop("tie_word_embeddings", True)
        self.is_encoder_decoder = kwargs.pop("is_encoder_decoder", False)
        self.is_decoder = kwargs.pop("is_decoder", False)
        self.add_cross_attention = kwargs.pop("add_cross_attention", False)
        self.tie_encoder_decoder = False
        self.chunk_size_feed_forward = 0
        self.problem_type = None
        self.num_labels = kwargs.pop("num_labels", 2)
        self._attn_implementation = "eager"
        self._experts_implementation = "eager"
        self.gradient_checkpointing = False
        self.pad_token_id = kwargs.pop("pad_token_id", None)
        self.bos_token_id = kwargs.pop("bos_token_id", None)
        self.eos_token_id = kwargs.pop("eos_token_id", None)
        self.use_cache = False
        for key, value in kwargs.items():
            setattr(self, key, value)

    @property
    def use_return_dict(self):
        return self.return_dict

    @property
    def name_or_path(self):
        return ""

    def get_text_config(self, *args, **kwargs):
        return self

    def to_dict(self):
        return dict(self.__dict__)

    def __getattr__(self, name):
        mapped = type(self).attribute_map
        if name in mapped:
            return getattr(self, mapped[name])
        if name in ("sliding_window", "layer_types", "rope_scaling", "rope_parameters", "head_dim", "quantization_config"):
            return None
        raise AttributeError(name)


PreTrainedConfig = PretrainedConfig


def layer_type_validation(*args, **kwargs):
    return None
`;

const outputs = `
class ModelOutput:
    def __init__(self, *args, **kwargs):
        for key, value in kwargs.items():
            setattr(self, key, value)

    def to_tuple(self):
        return tuple(v for v in self.__dict__.values() if v is not None)

    def keys(self):
        return [k for k, v in self.__dict__.items() if v is not None]

    def values(self):
        return self.to_tuple()

    def get(self, key, default=None):
        return getattr(self, key)

    def __getitem__(self, key):
        if isinstance(key, str):
            return getattr(self, key)
        return self.to_tuple()[key]

    def __len__(self):
        return len(self.to_tuple())

    def __contains__(self, key):
        return getattr(self, key) is not None

    def __getattr__(self, name):
        return None
`;

const OUTPUT_NAMES = (
  "BaseModelOutput BaseModelOutputWithNoAttention BaseModelOutputWithPooling BaseModelOutputWithPoolingAndNoAttention " +
  "BaseModelOutputWithPast BaseModelOutputWithCrossAttentions BaseModelOutputWithPoolingAndCrossAttentions " +
  "BaseModelOutputWithPastAndCrossAttentions MoEModelOutput MoeModelOutputWithPast MoeCausalLMOutputWithPast MoeModelOutput " +
  "Seq2SeqModelOutput Seq2SeqMoEModelOutput Seq2SeqMoEOutput CausalLMOutput CausalLMOutputWithPast CausalLMOutputWithCrossAttentions " +
  "SequenceClassifierOutputWithPast MaskedLMOutput Seq2SeqLMOutput NextSentencePredictorOutput SequenceClassifierOutput " +
  "Seq2SeqSequenceClassifierOutput MultipleChoiceModelOutput TokenClassifierOutput QuestionAnsweringModelOutput " +
  "Seq2SeqQuestionAnsweringModelOutput SemanticSegmenterOutput ImageClassifierOutput ImageClassifierOutputWithNoAttention " +
  "DepthEstimatorOutput ImageSuperResolutionOutput MaskedImageModelingOutput MaskedImageCompletionOutput BackboneOutput " +
  "Wav2Vec2BaseModelOutput XVectorOutput SampleTSPredictionOutput Seq2SeqTSModelOutput Seq2SeqSpectrogramOutput"
).split(" ");

const namedOutputs = outputs + OUTPUT_NAMES.map((n) => `\n\nclass ${n}(ModelOutput):\n    pass\n`).join("");

const activations = `
import math
import torch
from torch import nn
import torch.nn.functional as F


class NewGELUActivation(nn.Module):
    def forward(self, input):
        return F.gelu(input, approximate="tanh")


class GELUActivation(nn.Module):
    def __init__(self, use_gelu_python=False):
        super().__init__()

    def forward(self, input):
        return F.gelu(input)


class PytorchGELUTanh(NewGELUActivation):
    pass


GELUTanh = PytorchGELUTanh


class FastGELUActivation(NewGELUActivation):
    pass


class QuickGELUActivation(nn.Module):
    def forward(self, input):
        return input * torch.sigmoid(1.702 * input)


class SiLUActivation(nn.Module):
    def forward(self, input):
        return F.silu(input)


class ReLUSquaredActivation(nn.Module):
    def forward(self, input):
        return torch.square(F.relu(input))


class LinearActivation(nn.Module):
    def forward(self, input):
        return input


class ClassInstantier(dict):
    pass


ACT2CLS = {
    "gelu": GELUActivation,
    "gelu_10": GELUActivation,
    "gelu_fast": FastGELUActivation,
    "gelu_new": NewGELUActivation,
    "gelu_python": GELUActivation,
    "gelu_pytorch_tanh": PytorchGELUTanh,
    "gelu_accurate": NewGELUActivation,
    "linear": LinearActivation,
    "mish": nn.Mish,
    "quick_gelu": QuickGELUActivation,
    "relu": nn.ReLU,
    "relu2": ReLUSquaredActivation,
    "relu6": nn.ReLU6,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "tanh": nn.Tanh,
    "prelu": nn.PReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
}


class _Table:
    def __getitem__(self, key):
        return ACT2CLS[key]()

    def __contains__(self, key):
        return key in ACT2CLS

    def keys(self):
        return ACT2CLS.keys()

    def get(self, key, default=None):
        return ACT2CLS[key]() if key in ACT2CLS else default


ACT2FN = _Table()


def get_activation(name):
    return ACT2FN[name]


gelu = get_activation("gelu")
gelu_new = get_activation("gelu_new")
silu = get_activation("silu")
quick_gelu = get_activation("quick_gelu")
`;

const modelling = `
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

const masks = `
import torch


def _causal(q_length, kv_length):
    mask = torch.full((q_length, kv_length), -3.4028234663852886e38)
    return torch.triu(mask, diagonal=kv_length - q_length + 1)[None, None, :, :]


def create_causal_mask(config=None, input_embeds=None, attention_mask=None, cache_position=None, past_key_values=None,
                       position_ids=None, inputs_embeds=None, **kwargs):
    embeds = input_embeds if input_embeds is not None else inputs_embeds
    return _causal(embeds.shape[1], embeds.shape[1])


create_sliding_window_causal_mask = create_causal_mask
create_chunked_causal_mask = create_causal_mask


def create_masks_for_generate(config, **kwargs):
    return create_causal_mask(config, **kwargs)


def create_bidirectional_mask(*args, **kwargs):
    return None


def create_bidirectional_sliding_window_mask(*args, **kwargs):
    return None


def _prepare_4d_causal_attention_mask(attention_mask, input_shape, inputs_embeds, past_key_values_length=0, sliding_window=None):
    return _causal(input_shape[-1], input_shape[-1] + past_key_values_length)


def _prepare_4d_causal_attention_mask_for_sdpa(attention_mask, input_shape, inputs_embeds, past_key_values_length=0, sliding_window=None):
    return _causal(input_shape[-1], input_shape[-1] + past_key_values_length)


def _create_4d_causal_attention_mask(input_shape, dtype, device, past_key_values_length=0, sliding_window=None):
    return _causal(input_shape[-1], input_shape[-1] + past_key_values_length)


def _prepare_4d_attention_mask(mask, dtype, tgt_len=None):
    return None if mask is None else (1.0 - mask[:, None, None, :].to(torch.float32)) * -10000.0


_prepare_4d_attention_mask_for_sdpa = _prepare_4d_attention_mask


class AttentionMaskConverter:
    def __init__(self, is_causal=True, sliding_window=None):
        self.is_causal = is_causal

    @staticmethod
    def _ignore_causal_mask_sdpa(*args, **kwargs):
        return False

    @staticmethod
    def _unmask_unattended(mask, min_dtype=None):
        return mask
`;

const caches = `
class Cache:
    is_compileable = False

    def __init__(self, *args, **kwargs):
        pass

    def update(self, key_states, value_states, layer_idx=0, cache_kwargs=None):
        return key_states, value_states

    def get_seq_length(self, layer_idx=0):
        return 0

    def get_usable_length(self, new_seq_length=0, layer_idx=0):
        return 0

    def get_max_cache_shape(self):
        return None

    def get_mask_sizes(self, cache_position, layer_idx):
        return cache_position.shape[0], 0

    def to_legacy_cache(self):
        return None

    @classmethod
    def from_legacy_cache(cls, past_key_values=None):
        return cls()


class DynamicCache(Cache):
    pass


class StaticCache(Cache):
    pass


class SlidingWindowCache(Cache):
    pass


class HybridCache(Cache):
    pass


class EncoderDecoderCache(Cache):
    def __init__(self, self_attention_cache=None, cross_attention_cache=None):
        self.self_attention_cache = self_attention_cache
        self.cross_attention_cache = cross_attention_cache
        self.is_updated = {}
`;

const rope = `
import torch


def _compute_default_rope_parameters(config=None, device=None, seq_len=None, **kwargs):
    base = getattr(config, "rope_theta", None) or 10000.0
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    dim = int(head_dim * (getattr(config, "partial_rotary_factor", None) or 1.0))
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

const utilities = `
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

const everything = `
from transformers.configuration_utils import PretrainedConfig, PreTrainedConfig
from transformers.modeling_utils import *
from transformers.modeling_utils import GenerationMixin
from transformers.activations import ACT2FN
from transformers.cache_utils import Cache, DynamicCache, StaticCache
`;

export const huggingFacePrelude: Readonly<Record<string, string>> = {
  transformers: everything,
  "transformers.configuration_utils": configuration,
  "transformers.modeling_outputs": namedOutputs,
  "transformers.activations": activations,
  "transformers.modeling_utils": modelling,
  "transformers.pytorch_utils": modelling,
  "transformers.modeling_layers": modelling,
  "transformers.modeling_attn_mask_utils": masks,
  "transformers.masking_utils": masks,
  "transformers.cache_utils": caches,
  "transformers.modeling_rope_utils": rope,
  "transformers.utils": utilities,
  "transformers.utils.generic": utilities,
  "transformers.utils.import_utils": utilities,
  "transformers.utils.doc": utilities,
  "transformers.utils.deprecation": utilities,
  "transformers.utils.output_capturing": utilities,
  "transformers.file_utils": utilities,
  "transformers.processing_utils": utilities,
  "transformers.generation": utilities,
  "transformers.generation.utils": utilities,
  "transformers.integrations": utilities,
  "transformers.modeling_flash_attention_utils": utilities,
  "transformers.models.auto": "",
};
