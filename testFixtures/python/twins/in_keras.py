"""The models of in_torch.py in Keras 3: functional, sequential and subclassed."""
import keras
import tensorflow as tf
from keras import layers, ops
from keras.layers import Conv2D, Dense


MlpRelu = keras.Sequential(
    [
        keras.Input(shape=(3,)),
        Dense(5, activation="relu", name="fc1"),
        Dense(4, activation="relu", name="fc2"),
        Dense(2, name="fc3"),
    ]
)


def MlpTanh(width=5):
    model = keras.Sequential()
    model.add(Dense(width, activation="tanh", input_shape=(3,), name="fc1"))
    model.add(Dense(2, name="fc2"))
    return model


class LinearChain(keras.Model):
    def __init__(self):
        super().__init__()
        self.fc1 = Dense(3, name="fc1")
        self.fc2 = Dense(5, use_bias=False, activation=layers.LeakyReLU(negative_slope=0.2), name="fc2")
        self.fc3 = Dense(2, name="fc3")

    def call(self, x):
        return self.fc3(self.fc2(self.fc1(x)))


def ConvBn():
    inputs = keras.Input((4, 4, 2))
    x = Conv2D(3, 3, padding="same", name="conv1")(inputs)
    x = layers.BatchNormalization(name="bn1")(x)
    x = layers.Activation("relu")(x)
    x = Conv2D(3, (3, 3), activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs=inputs, outputs=Dense(2, name="fc")(x))


def ConvFlatten():
    return keras.Sequential(
        [
            layers.Input(shape=(6, 6, 2)),
            Conv2D(3, 4, strides=2, padding="same", activation="elu", name="conv"),
            layers.Flatten(),
            layers.Dropout(0.5),
            Dense(2, name="fc"),
        ]
    )


def residual_block(x, inner):
    y = Conv2D(inner, 1, use_bias=False, name="conv1")(x)
    y = layers.BatchNormalization(name="bn1")(y)
    y = layers.ReLU()(y)
    y = Conv2D(x.shape[-1], 3, padding="same", use_bias=False, name="conv2")(y)
    y = layers.BatchNormalization(name="bn2")(y)
    return layers.Activation("relu")(layers.add([x, y]))


def Residual():
    inputs = keras.Input((4, 4, 2))
    x = Conv2D(4, 1, use_bias=False, name="stem")(inputs)
    x = residual_block(x, 3)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, Dense(2, name="head")(x))


class Depthwise(keras.Model):
    def __init__(self):
        super().__init__()
        self.expand = Conv2D(4, 1, activation="relu", name="expand")
        self.depth = layers.DepthwiseConv2D(3, padding="same", activation=tf.nn.silu, name="depth")
        self.project = Conv2D(3, 1, name="project")

    def call(self, x):
        return tf.reduce_max(self.project(self.depth(self.expand(x))), axis=[1, 2])


def Grouped():
    inputs = keras.Input((4, 4, 2))
    x = Conv2D(4, 1, activation="relu", name="conv1")(inputs)
    x = Conv2D(4, 3, padding="same", groups=2, activation="relu", name="conv2")(x)
    return keras.Model(inputs, Conv2D(2, 1, name="conv3")(x))


def Conv1dNet():
    inputs = keras.Input((5, 3))
    x = layers.Conv1D(4, 3, padding="same", activation="relu", name="conv1")(inputs)
    x = layers.Conv1D(3, 3, padding="same", dilation_rate=2, activation="tanh", name="conv2")(x)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, Dense(2, name="fc")(x))


def ConvAutoencoder():
    image = keras.Input((4, 4, 2))
    code = Conv2D(3, 2, strides=2, activation="tanh", name="down")(image)
    encoder = keras.Model(image, code, name="encoder")
    hidden = keras.Input((2, 2, 3))
    x = layers.Conv2DTranspose(4, 4, strides=2, padding="same", activation="tanh", name="up")(hidden)
    x = Conv2D(2, 1, activation="sigmoid", name="out")(x)
    decoder = keras.Model(hidden, x, name="decoder")
    inputs = keras.Input((4, 4, 2))
    return keras.Model(inputs, decoder(encoder(inputs)))


def UNet():
    inputs = keras.Input((4, 4, 2))
    a = Conv2D(3, 3, padding="same", activation="elu", name="enc1")(inputs)
    b = layers.MaxPool2D(pool_size=(2, 2))(a)
    b = Conv2D(4, 1, activation=layers.ELU(), name="enc2")(b)
    up = layers.UpSampling2D(2)(b)
    x = layers.Concatenate()([up, a])
    x = Conv2D(3, 1, activation="elu", name="dec1")(x)
    return keras.Model(inputs, Conv2D(1, 1, name="out")(x))


def GroupNormNet():
    inputs = keras.Input((4, 4, 2))
    x = Conv2D(4, 3, padding="same", name="conv1")(inputs)
    x = layers.GroupNormalization(groups=2, name="norm")(x)
    x = Conv2D(2, 1, name="conv2")(ops.relu(x))
    return keras.Model(inputs, ops.mean(x, axis=(1, 2)))


def SqueezeExcite():
    inputs = keras.Input((4, 4, 2))
    x = Conv2D(4, 1, activation="relu", name="conv")(inputs)
    s = layers.GlobalAveragePooling2D(keepdims=True)(x)
    s = Dense(2, activation="relu", name="squeeze")(s)
    s = Dense(4, activation="sigmoid", name="excite")(s)
    x = layers.Multiply()([x, s])
    x = Conv2D(2, 1, name="head")(x)
    return keras.Model(inputs, layers.GlobalAvgPool2D()(x))


def Branches():
    inputs = keras.Input((3,))
    left = Dense(3, activation="relu", name="left")(inputs)
    right = Dense(2, activation=keras.activations.tanh, name="right")(inputs)
    return keras.Model(inputs, Dense(2, name="head")(layers.concatenate([left, right])))


class HighwayLayer(layers.Layer):
    def build(self, input_shape):
        width = input_shape[-1]
        self.value = Dense(width, activation="tanh", name="value")
        self.gate = Dense(width, activation="sigmoid", name="gate")

    def call(self, x):
        g = self.gate(x)
        return g * self.value(x) + (1.0 - g) * x


def Highway():
    inputs = keras.Input((4,))
    return keras.Model(inputs, Dense(2, name="head")(HighwayLayer(name="highway")(inputs)))


class RootMeanSquare(layers.Layer):
    def build(self, input_shape):
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")

    def call(self, x):
        return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-6) * self.scale


class SwiGlu(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = Dense(4, use_bias=False, name="inner")
        self.norm = RootMeanSquare(name="norm")
        self.gate = Dense(3, activation="silu", use_bias=False, name="gate")
        self.up = Dense(3, use_bias=False, name="up")
        self.down = Dense(2, use_bias=False, name="down")

    def call(self, x):
        x = self.norm(self.inner(x))
        return self.down(self.gate(x) * self.up(x))


def LayerNormMlp():
    inputs = keras.Input((3,))
    x = Dense(4, name="fc1")(inputs)
    x = layers.LayerNormalization(name="norm")(x)
    return keras.Model(inputs, Dense(2, name="fc2")(keras.activations.gelu(x)))


class Block(layers.Layer):
    def __init__(self, width=4, heads=2, size=2, causal=False, **kwargs):
        super().__init__(**kwargs)
        self.causal = causal
        self.norm1 = layers.LayerNormalization(epsilon=1e-6, name="norm1")
        self.attn = layers.MultiHeadAttention(heads, size, name="attn")
        self.norm2 = layers.LayerNormalization(epsilon=1e-6, name="norm2")
        self.fc1 = Dense(5, activation="gelu", name="fc1")
        self.fc2 = Dense(width, name="fc2")

    def call(self, x, training=None):
        h = self.norm1(x)
        x = x + self.attn(h, h, use_causal_mask=self.causal)
        return x + self.fc2(self.fc1(self.norm2(x)))


class Gpt(keras.Model):
    def __init__(self):
        super().__init__()
        self.tokens = layers.Embedding(6, 4, name="tokens")
        self.positions = layers.Embedding(5, 4, name="positions")
        self.blocks = [Block(causal=True, name=f"block{i}") for i in range(1)]
        self.norm = layers.LayerNormalization(epsilon=1e-6, name="norm")
        self.head = Dense(6, use_bias=False, name="head")

    def call(self, ids):
        x = self.tokens(ids) + self.positions(ops.arange(ops.shape(ids)[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class TiedLanguageModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.tokens = layers.Embedding(6, 4, name="tokens")
        self.block0 = Block(causal=True, name="block0")

    def call(self, ids):
        return tf.matmul(self.block0(self.tokens(ids)), self.tokens.embeddings, transpose_b=True)


def CrossAttention():
    inputs = keras.Input((5, 3))
    left = Dense(4, activation="relu", name="left")(inputs)
    right = Dense(4, activation="relu", name="right")(inputs)
    x = layers.MultiHeadAttention(num_heads=2, key_dim=2, name="attn")(query=left, value=right)
    return keras.Model(inputs, Dense(2, name="head")(x))


def GroupedQuery():
    inputs = keras.Input((5, 3))
    x = Dense(4, activation="tanh", name="inner")(inputs)
    x = layers.GroupQueryAttention(head_dim=2, num_query_heads=4, num_key_value_heads=2, name="attn")(x, x)
    return keras.Model(inputs, Dense(2, name="head")(x))


class AddPosition(layers.Layer):
    def build(self, input_shape):
        self.position = self.add_weight(shape=(1, input_shape[1], input_shape[2]), initializer="random_normal", name="position")

    def call(self, x):
        return x + self.position


def Vit():
    inputs = keras.Input((4, 4, 2))
    x = Conv2D(4, 2, strides=2, padding="valid", name="patches")(inputs)
    x = layers.Reshape((-1, 4))(x)
    x = AddPosition(name="embed")(x)
    x = Block(name="block0")(x)
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    return keras.Model(inputs, Dense(3, name="head")(layers.GlobalAveragePooling1D()(x)))


def Mixer():
    inputs = keras.Input((5, 3))
    x = Dense(4, name="inner")(inputs)
    y = layers.Permute((2, 1))(x)
    y = Dense(5, name="tokens2")(Dense(3, activation="silu", name="tokens1")(y))
    x = x + layers.Permute((2, 1))(y)
    x = x + Dense(4, name="channels2")(Dense(3, activation="swish", name="channels1")(x))
    return keras.Model(inputs, Dense(2, name="head")(layers.GlobalAveragePooling1D()(x)))


class Moe(keras.Model):
    def __init__(self, experts=2):
        super().__init__()
        self.router = Dense(experts, activation="softmax", name="router")
        self.experts = [
            keras.Sequential([Dense(3, activation="relu", name=f"up{i}"), Dense(2, name=f"down{i}")], name=f"expert{i}")
            for i in range(experts)
        ]

    def call(self, x):
        weights = tf.split(self.router(x), 2, axis=-1)
        return tf.add_n([w * expert(x) for w, expert in zip(weights, self.experts)])


def Autoencoder():
    encoder = keras.Sequential([Dense(4, activation="relu", name="enc1"), Dense(2, name="enc2")], name="encoder")
    decoder = keras.Sequential([Dense(4, activation="relu", name="dec1"), Dense(5, activation="sigmoid", name="dec2")], name="decoder")
    inputs = keras.Input(shape=(5,))
    return keras.Model(inputs, decoder(encoder(inputs)))


def BagOfWords():
    inputs = keras.Input(shape=(5,), dtype="int32")
    x = layers.Embedding(7, 4, name="words")(inputs)
    x = layers.Lambda(lambda t: tf.reduce_mean(t, axis=1))(x)
    x = Dense(3, activation="tanh", name="fc1")(x)
    return keras.Model(inputs, Dense(2, name="fc2")(x))


def Lstm():
    return keras.Sequential([keras.Input((4, 3)), layers.LSTM(3, name="lstm"), Dense(2, name="fc")])


def LstmSequence():
    inputs = keras.Input((4, 3))
    x = layers.LSTM(3, return_sequences=True, name="first")(inputs)
    x, h, c = layers.LSTM(2, return_sequences=True, return_state=True, name="second")(x)
    return keras.Model(inputs, layers.TimeDistributed(Dense(2, name="fc"))(x))


def BiLstm():
    inputs = keras.Input((4, 3))
    x = layers.Bidirectional(layers.LSTM(2, return_sequences=True, name="lstm"), name="both")(inputs)
    return keras.Model(inputs, Dense(2, name="fc")(x))


def Gru():
    return keras.Sequential([keras.Input((4, 3)), layers.GRU(3, name="gru"), Dense(2, name="fc")])
