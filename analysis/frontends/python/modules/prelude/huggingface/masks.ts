/** @file Stand-in for `transformers.masking_utils` and `modeling_attn_mask_utils`. */

/** Makers of masks that are added to scores: causal, or none. */
export const masks = `
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
