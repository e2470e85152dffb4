"""The models of in_torch.py in flax.nnx."""
import jax
import jax.numpy as jnp
from flax import nnx


class MlpRelu(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.fc1 = nnx.Linear(3, 5, rngs=rngs)
        self.fc2 = nnx.Linear(5, 4, rngs=rngs)
        self.fc3 = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        return self.fc3(nnx.relu(self.fc2(nnx.relu(self.fc1(x)))))


class LinearChain(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.fc1 = nnx.Linear(in_features=4, out_features=3, rngs=rngs)
        self.fc2 = nnx.Linear(3, 5, use_bias=False, rngs=rngs)
        self.fc3 = nnx.Linear(5, 2, rngs=rngs)

    def __call__(self, x):
        return self.fc3(jax.nn.leaky_relu(self.fc2(self.fc1(x)), 0.2))


class ConvBn(nnx.Module):
    def __init__(self, *, rngs):
        self.conv1 = nnx.Conv(2, 3, kernel_size=(3, 3), rngs=rngs)
        self.bn1 = nnx.BatchNorm(3, epsilon=1e-3, rngs=rngs)
        self.conv2 = nnx.Conv(3, 3, kernel_size=(3, 3), padding="VALID", rngs=rngs)
        self.fc = nnx.Linear(3, 2, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.bn1(self.conv1(x)))
        x = nnx.max_pool(nnx.relu(self.conv2(x)), window_shape=(2, 2), strides=(2, 2))
        return self.fc(x.mean(axis=(1, 2)))


class Highway(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.value = nnx.Linear(4, 4, rngs=rngs)
        self.gate = nnx.Linear(4, 4, rngs=rngs)
        self.head = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        g = nnx.sigmoid(self.gate(x))
        return self.head(g * jnp.tanh(self.value(x)) + (1 - g) * x)


class SwiGlu(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.inner = nnx.Linear(3, 4, use_bias=False, rngs=rngs)
        self.norm = nnx.RMSNorm(4, epsilon=1e-6, rngs=rngs)
        self.gate = nnx.Linear(4, 3, use_bias=False, rngs=rngs)
        self.up = nnx.Linear(4, 3, use_bias=False, rngs=rngs)
        self.down = nnx.Linear(3, 2, use_bias=False, rngs=rngs)

    def __call__(self, x):
        x = self.norm(self.inner(x))
        return self.down(nnx.silu(self.gate(x)) * self.up(x))


class LayerNormMlp(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.fc1 = nnx.Linear(3, 4, rngs=rngs)
        self.norm = nnx.LayerNorm(4, epsilon=1e-3, rngs=rngs)
        self.fc2 = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        return self.fc2(nnx.gelu(self.norm(self.fc1(x)), approximate=False))


class Block(nnx.Module):
    def __init__(self, width, heads, *, rngs: nnx.Rngs):
        self.norm1 = nnx.LayerNorm(width, epsilon=1e-6, rngs=rngs)
        self.attn = nnx.MultiHeadAttention(num_heads=heads, in_features=width, decode=False, rngs=rngs)
        self.norm2 = nnx.LayerNorm(width, epsilon=1e-6, rngs=rngs)
        self.fc1 = nnx.Linear(width, 5, rngs=rngs)
        self.fc2 = nnx.Linear(5, width, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, mask=None):
        x = x + self.attn(self.norm1(x), mask=mask)
        return x + self.fc2(nnx.gelu(self.fc1(self.norm2(x)), approximate=False))


class TiedLanguageModel(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.tokens = nnx.Embed(6, 4, rngs=rngs)
        self.block0 = Block(4, 2, rngs=rngs)

    def __call__(self, ids):
        mask = nnx.make_causal_mask(ids)
        return self.tokens.attend(self.block0(self.tokens(ids), mask=mask))


class Vit(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.patches = nnx.Conv(2, 4, kernel_size=(2, 2), strides=(2, 2), padding="VALID", rngs=rngs)
        self.position = nnx.Param(jax.random.normal(rngs.params(), (1, 4, 4)) * 0.02)
        self.block0 = Block(4, 2, rngs=rngs)
        self.norm = nnx.LayerNorm(4, epsilon=1e-6, rngs=rngs)
        self.head = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        x = self.patches(x)
        x = x.reshape(x.shape[0], -1, x.shape[-1]) + self.position.value
        return self.head(self.norm(self.block0(x)).mean(axis=1))


class Autoencoder(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.enc1 = nnx.Linear(5, 4, rngs=rngs)
        self.enc2 = nnx.Linear(4, 2, rngs=rngs)
        self.decoder = nnx.Sequential(nnx.Linear(2, 4, rngs=rngs), nnx.relu, nnx.Linear(4, 5, rngs=rngs), nnx.sigmoid)

    def __call__(self, x):
        return self.decoder(self.enc2(nnx.relu(self.enc1(x))))


class Moe(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.router = nnx.Linear(3, 2, rngs=rngs)
        for i in range(2):
            setattr(self, f"up{i}", nnx.Linear(3, 3, rngs=rngs))
            setattr(self, f"down{i}", nnx.Linear(3, 2, rngs=rngs))

    def __call__(self, x):
        w = nnx.softmax(self.router(x))
        a = self.down0(nnx.relu(self.up0(x)))
        b = self.down1(nnx.relu(self.up1(x)))
        return w[..., :1] * a + w[..., 1:] * b
