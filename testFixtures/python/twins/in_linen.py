"""The models of in_torch.py in flax.linen."""
from functools import partial
from typing import Any, Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp


class MlpRelu(nn.Module):
    features: Sequence[int] = (5, 4, 2)

    @nn.compact
    def __call__(self, x):
        for i, width in enumerate(self.features, start=1):
            x = nn.Dense(width, name=f"fc{i}")(x)
            if i < len(self.features):
                x = nn.relu(x)
        return x


class MlpTanh(nn.Module):
    act: Callable = jnp.tanh

    def setup(self):
        self.fc1 = nn.Dense(5)
        self.fc2 = nn.Dense(2)

    def __call__(self, x):
        return self.fc2(self.act(self.fc1(x)))


class LinearChain(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Dense(3, name="fc1")(x)
        x = nn.Dense(5, use_bias=False, name="fc2")(x)
        x = nn.leaky_relu(x, negative_slope=0.2)
        return nn.Dense(features=2, name="fc3")(x)


class ConvBn(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool = True):
        x = nn.Conv(3, (3, 3), name="conv1")(x)
        x = nn.BatchNorm(use_running_average=not train, epsilon=1e-3, name="bn1")(x)
        x = nn.relu(x)
        x = nn.relu(nn.Conv(3, kernel_size=(3, 3), padding="VALID", name="conv2")(x))
        x = nn.max_pool(x, (2, 2), strides=(2, 2))
        return nn.Dense(2, name="fc")(jnp.mean(x, axis=(1, 2)))


class ConvFlatten(nn.Module):
    @nn.compact
    def __call__(self, x, *, deterministic: bool = False):
        x = nn.elu(nn.Conv(3, (4, 4), strides=2, name="conv")(x))
        x = x.reshape((x.shape[0], -1))
        x = nn.Dropout(0.5, deterministic=deterministic)(x)
        return nn.Dense(2, name="fc")(x)


ModuleDef = Any


class ResidualBlock(nn.Module):
    filters: int
    conv: ModuleDef
    norm: ModuleDef
    act: Callable

    @nn.compact
    def __call__(self, x):
        residual = x
        y = self.act(self.norm(name="bn1")(self.conv(self.filters, (1, 1), name="conv1")(x)))
        y = self.norm(name="bn2")(self.conv(x.shape[-1], (3, 3), name="conv2")(y))
        return self.act(residual + y)


class Residual(nn.Module):
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, train: bool):
        conv = partial(nn.Conv, use_bias=False, dtype=self.dtype)
        norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9, epsilon=1e-3)
        x = conv(4, (1, 1), name="stem")(x)
        x = ResidualBlock(3, conv=conv, norm=norm, act=nn.relu)(x)
        return nn.Dense(2, name="head")(x.mean(axis=(1, 2)))


class Grouped(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(4, (1, 1), name="conv1")(x))
        x = nn.relu(nn.Conv(4, (3, 3), feature_group_count=2, name="conv2")(x))
        return nn.Conv(2, (1, 1), name="conv3")(x)


class Conv1dNet(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = jax.nn.relu(nn.Conv(4, (3,), name="conv1")(x))
        x = jnp.tanh(nn.Conv(3, kernel_size=(3,), kernel_dilation=2, name="conv2")(x))
        return nn.Dense(2, name="fc")(x.mean(1))


class GroupNormNet(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(4, (3, 3), name="conv1")(x)
        x = nn.relu(nn.GroupNorm(num_groups=2, epsilon=1e-3, name="norm")(x))
        return nn.Conv(2, (1, 1), name="conv2")(x).mean((1, 2))


class Branches(nn.Module):
    @nn.compact
    def __call__(self, x):
        left = nn.relu(nn.Dense(3, name="left")(x))
        right = nn.tanh(nn.Dense(2, name="right")(x))
        return nn.Dense(2, name="head")(jnp.concatenate([left, right], axis=-1))


class SwiGlu(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Dense(4, use_bias=False, name="inner")(x)
        x = nn.RMSNorm(epsilon=1e-6, name="norm")(x)
        gate = nn.silu(nn.Dense(3, use_bias=False, name="gate")(x))
        return nn.Dense(2, use_bias=False, name="down")(gate * nn.Dense(3, use_bias=False, name="up")(x))


class LayerNormMlp(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.LayerNorm(epsilon=1e-3, name="norm")(nn.Dense(4, name="fc1")(x))
        return nn.Dense(2, name="fc2")(nn.gelu(x, approximate=False))


class Block(nn.Module):
    width: int = 4
    heads: int = 2
    causal: bool = False

    @nn.compact
    def __call__(self, x):
        mask = nn.make_causal_mask(x[..., 0]) if self.causal else None
        h = nn.LayerNorm(epsilon=1e-6, name="norm1")(x)
        x = x + nn.MultiHeadDotProductAttention(num_heads=self.heads, name="attn")(h, h, mask=mask)
        h = nn.LayerNorm(epsilon=1e-6, name="norm2")(x)
        h = nn.gelu(nn.Dense(5, name="fc1")(h), approximate=False)
        return x + nn.Dense(self.width, name="fc2")(h)


class Gpt(nn.Module):
    @nn.compact
    def __call__(self, ids):
        x = nn.Embed(6, 4, name="tokens")(ids) + nn.Embed(5, 4, name="positions")(jnp.arange(ids.shape[1]))
        x = nn.remat(Block)(causal=True, name="block0")(x)
        return nn.Dense(6, use_bias=False, name="head")(nn.LayerNorm(epsilon=1e-6, name="norm")(x))


class TiedLanguageModel(nn.Module):
    def setup(self):
        self.tokens = nn.Embed(num_embeddings=6, features=4)
        self.block0 = Block(causal=True)

    def __call__(self, ids):
        return self.tokens.attend(self.block0(self.tokens(ids)))


class Vit(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(4, (2, 2), strides=(2, 2), padding="VALID", name="patches")(x)
        n, h, w, c = x.shape
        x = jnp.reshape(x, [n, h * w, c])
        x = x + self.param("position", nn.initializers.normal(stddev=0.02), (1, h * w, c))
        x = Block(name="block0")(x)
        x = nn.LayerNorm(epsilon=1e-6, name="norm")(x)
        return nn.Dense(3, name="head")(x.mean(axis=1))


class Mixer(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Dense(4, name="inner")(x)
        y = jnp.swapaxes(x, 1, 2)
        y = nn.Dense(5, name="tokens2")(nn.silu(nn.Dense(3, name="tokens1")(y)))
        x = x + jnp.swapaxes(y, 1, 2)
        x = x + nn.Dense(4, name="channels2")(nn.swish(nn.Dense(3, name="channels1")(x)))
        return nn.Dense(2, name="head")(x.mean(axis=1))


class Expert(nn.Module):
    index: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(2, name=f"down{self.index}")(nn.relu(nn.Dense(3, name=f"up{self.index}")(x)))


class Moe(nn.Module):
    def setup(self):
        self.router = nn.Dense(2)
        self.experts = [Expert(i) for i in range(2)]

    def __call__(self, x):
        weights = jax.nn.softmax(self.router(x), axis=-1)
        outputs = jnp.stack([e(x) for e in self.experts], axis=-1)
        return jnp.sum(outputs * weights[..., None, :], axis=-1)


class Autoencoder(nn.Module):
    def setup(self):
        self.encoder = nn.Sequential([nn.Dense(4, name="enc1"), nn.relu, nn.Dense(2, name="enc2")])
        self.decoder = nn.Sequential([nn.Dense(4, name="dec1"), nn.relu, nn.Dense(5, name="dec2"), nn.sigmoid])

    def encode(self, x):
        return self.encoder(x)

    def __call__(self, x):
        return self.decoder(self.encode(x))


class BagOfWords(nn.Module):
    @nn.compact
    def __call__(self, ids):
        x = jnp.mean(nn.Embed(7, 4, name="words")(ids), axis=1)
        return nn.Dense(2, name="fc2")(nn.tanh(nn.Dense(3, name="fc1")(x)))
