/** @file Stand-in for `transformers.configuration_utils`. */

/** The base class of configurations: what is not given has the usual name's value. */
export const configuration = `
class PretrainedConfig:
    model_type = ""
    attribute_map = {}
    base_model_tp_plan = None
    default_theta = 10000.0
    return_dict = True
    output_hidden_states = False
    output_attentions = False
    torchscript = False
    torch_dtype = None
    dtype = None
    tie_word_embeddings = True
    is_encoder_decoder = False
    is_decoder = False
    add_cross_attention = False
    tie_encoder_decoder = False
    chunk_size_feed_forward = 0
    problem_type = None
    num_labels = 2
    gradient_checkpointing = False
    pad_token_id = None
    bos_token_id = None
    eos_token_id = None
    decoder_start_token_id = None

    def __init__(self, **kwargs):
        self.pruned_heads = {}
        self._attn_implementation = "eager"
        self._experts_implementation = "eager"
        further = {}
        for key, value in kwargs.items():
            key = self.attribute_map.get(key, key)
            if hasattr(type(self), key):
                setattr(self, key, value)
            else:
                further[key] = value
        self.__post_init__(**further)
        self.use_cache = False

    def __post_init__(self, **kwargs):
        for key, value in kwargs.items():
            setattr(self, key, value)
        if hasattr(type(self), "rope_parameters"):
            self.rope_parameters = dict(kwargs.get("rope_scaling") or self.rope_parameters or {})
            kinds = [k for k in self.rope_parameters if k in (getattr(self, "layer_types", None) or ())]
            for parameters in [self.rope_parameters[k] for k in kinds] or [self.rope_parameters]:
                if parameters is not None:
                    parameters.setdefault("rope_type", parameters.get("type", "default"))
                    parameters.setdefault("rope_theta", getattr(self, "rope_theta", None) or self.default_theta)
                    factor = getattr(self, "partial_rotary_factor", None)
                    if factor is not None:
                        parameters.setdefault("partial_rotary_factor", factor)

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
        if name in ("sliding_window", "layer_types", "rope_scaling", "quantization_config"):
            return None
        raise AttributeError(name)


PreTrainedConfig = PretrainedConfig


def layer_type_validation(*args, **kwargs):
    return None
`;
