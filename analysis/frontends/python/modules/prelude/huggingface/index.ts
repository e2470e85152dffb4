/** @file Stand-ins for what Hugging Face style model code imports, by module. */
import { activations } from "./activations";
import { caches } from "./caches";
import { configuration } from "./configuration";
import { masks } from "./masks";
import { modelling } from "./modelling";
import { namedOutputs } from "./outputs";
import { rope } from "./rope";
import { utilities } from "./utilities";

const everything = `
from transformers.configuration_utils import PretrainedConfig, PreTrainedConfig
from transformers.modeling_utils import *
from transformers.modeling_utils import GenerationMixin
from transformers.activations import ACT2FN
from transformers.cache_utils import Cache, DynamicCache, StaticCache
`;

/** Text by module name. */
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
