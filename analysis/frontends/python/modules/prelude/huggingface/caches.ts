/** @file Stand-in for `transformers.cache_utils`. */

/** Caches of keys and values, by layer. */
export const caches = `
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
