/** @file Stand-in for `transformers.configuration_utils`. */

/** The base class of configurations: what is not given has the usual name's value. */
export const configuration = `
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
