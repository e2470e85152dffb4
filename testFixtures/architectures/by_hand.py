"""Graphs as other exporters write them, made with the onnx package: fused operators, layouts of Keras, names of dynamo."""
import numpy as np
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

rng = np.random.RandomState(3)


class Builder:
    """Collects nodes and weights."""

    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0

    def weight(self, name, *shape, positive=False):
        value = rng.rand(*shape) + 0.5 if positive else rng.randn(*shape)
        self.weights.append(nh.from_array(value.astype(np.float32), name))
        return name

    def constant(self, value, dtype=np.int64):
        self.count += 1
        name = f"const_{self.count}"
        self.nodes.append(h.make_node("Constant", [], [name], value=nh.from_array(np.array(value, dtype), name)))
        return name

    def __call__(self, op, *inputs, outputs=1, domain="", **attributes):
        self.count += 1
        names = [f"{op.lower()}_{self.count}" + (f"_{i}" if i else "") for i in range(outputs)]
        self.nodes.append(h.make_node(op, list(inputs), names, name=f"node_{op}_{self.count}", domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def linear(self, x, name, i, o, bias=True):
        y = self("MatMul", x, self.weight(f"{name}.kernel", i, o))
        return self("Add", y, self.weight(f"{name}.bias", o)) if bias else y

    def model(self, name, shape, output, opset=17):
        self.nodes.append(h.make_node("Identity", [output], ["output"]))
        graph = h.make_graph(self.nodes, name, [h.make_tensor_value_info("input", T.FLOAT, shape)],
                             [h.make_tensor_value_info("output", T.FLOAT, None)], initializer=self.weights)
        model = h.make_model(graph, opset_imports=[h.make_opsetid("", opset), h.make_opsetid("com.microsoft", 1)])
        model.ir_version = 8
        return model


def keras_channels_last():
    """tf2onnx: the input is NHWC, transposed before and after each convolution; batch norm of inference; flattening in NHWC order."""
    b = Builder()
    x = b("Transpose", "input", perm=[0, 3, 1, 2])
    x = b("Conv", x, b.weight("conv1.kernel", 4, 2, 3, 3), b.weight("conv1.bias", 4), pads=[1, 1, 1, 1])
    x = b("Transpose", x, perm=[0, 2, 3, 1])
    x = b("Relu", x)
    x = b("MaxPool", b("Transpose", x, perm=[0, 3, 1, 2]), kernel_shape=[2, 2], strides=[2, 2])
    x = b("Conv", x, b.weight("conv2.kernel", 3, 4, 1, 1), b.weight("conv2.bias", 3))
    x = b("Relu", b("Transpose", x, perm=[0, 2, 3, 1]))
    x = b("Reshape", x, b.constant([-1, 12]))
    x = b("Tanh", b.linear(x, "dense1", 12, 5))
    return b.model("keras_channels_last", [6, 4, 4, 2], b.linear(x, "dense2", 5, 3), 13)


def keras_batch_norm():
    """Inference-mode BatchNormalization between convolutions, not folded."""
    b = Builder()
    x = b("Conv", b("Transpose", "input", perm=[0, 3, 1, 2]), b.weight("conv1.kernel", 4, 2, 3, 3))
    x = b("BatchNormalization", x, b.weight("bn.gamma", 4, positive=True), b.weight("bn.beta", 4), b.weight("bn.moving_mean", 4),
          b.weight("bn.moving_variance", 4, positive=True), epsilon=1e-3)
    x = b("Relu", x)
    x = b("Conv", x, b.weight("conv2.kernel", 3, 4, 1, 1), b.weight("conv2.bias", 3))
    return b.model("keras_batch_norm", [4, 4, 4, 2], b("Transpose", x, perm=[0, 2, 3, 1]), 15)


def fused_transformer():
    """ONNX Runtime's optimised encoder block: Attention, SkipLayerNormalization, BiasGelu, FusedMatMul."""
    b, ms = Builder(), "com.microsoft"
    x = b.linear("input", "embed", 5, 4)
    y = b("Attention", x, b.weight("attn.qkv", 4, 12), b.weight("attn.bias", 12), "", domain=ms, num_heads=2)
    y = b("MatMul", y, b.weight("attn.out", 4, 4))
    x = b("SkipLayerNormalization", y, x, b.weight("ln1.gamma", 4, positive=True), b.weight("ln1.beta", 4), b.weight("attn.out_bias", 4), domain=ms,
          epsilon=1e-12)
    y = b("BiasGelu", b("MatMul", x, b.weight("up", 4, 5)), b.weight("up_bias", 5), domain=ms)
    y = b("FusedMatMul", y, b.weight("down", 4, 5), domain=ms, transB=1, alpha=0.5)
    x = b("SkipLayerNormalization", y, x, b.weight("ln2.gamma", 4, positive=True), b.weight("ln2.beta", 4), b.weight("down_bias", 4), domain=ms,
          epsilon=1e-12)
    return b.model("fused_transformer", [3, 4, 5], b.linear(x, "head", 4, 5))


def fused_multi_head():
    """MultiHeadAttention of the contrib domain with packed biases, QuickGelu."""
    b, ms = Builder(), "com.microsoft"
    q, k, v = (b("MatMul", "input", b.weight(n, 3, 4)) for n in ("wq", "wk", "wv"))
    y = b("MultiHeadAttention", q, k, v, b.weight("qkv_bias", 12), domain=ms, num_heads=2)
    y = b("QuickGelu", b.linear(y, "out", 4, 4), domain=ms, alpha=1.702)
    return b.model("fused_multi_head", [3, 4, 3], b.linear(y, "head", 4, 2))


def fused_decoder():
    """SimplifiedLayerNormalization and FastGelu; gated perceptron on an RMS-normed stream."""
    b, ms = Builder(), "com.microsoft"
    x = b.linear("input", "embed", 3, 4, bias=False)
    y = b("SimplifiedLayerNormalization", x, b.weight("norm1", 4, positive=True), axis=-1, epsilon=1e-6)
    y = b("Mul", b("FastGelu", b.linear(y, "gate", 4, 3, bias=False), domain=ms), b.linear(y, "up", 4, 3, bias=False))
    y = b.linear(y, "down", 3, 4, bias=False)
    n, _, _, x = b("SkipSimplifiedLayerNormalization", x, y, b.weight("norm2", 4, positive=True), domain=ms, outputs=4, epsilon=1e-6)
    return b.model("fused_decoder", [8, 3], b.linear(n, "head", 4, 5, bias=False))


def fused_convolution():
    """FusedConv with its activation and a fused sum."""
    b, ms = Builder(), "com.microsoft"
    x = b("FusedConv", "input", b.weight("w1", 3, 2, 3, 3), b.weight("b1", 3), domain=ms, activation="Relu", pads=[1, 1, 1, 1])
    y = b("FusedConv", x, b.weight("w2", 3, 3, 1, 1), b.weight("b2", 3), x, domain=ms, activation="Relu")
    y = b("Conv", y, b.weight("w3", 2, 3, 1, 1), b.weight("b3", 2))
    return b.model("fused_convolution", [4, 2, 4, 4], y)


def layer_normalization_operator():
    """The standard operator of opset 17 over two axes, with a learned gain per place and channel."""
    b = Builder()
    x = b.linear("input", "a", 3, 4)
    x = b("LayerNormalization", x, b.weight("ln.weight", 4, positive=True), b.weight("ln.bias", 4), axis=-1, epsilon=1e-5)
    x = b("Relu", x)
    return b.model("layer_normalization_operator", [8, 3], b.linear(x, "b", 4, 2))


def gru_reset_before():
    """A GRU operator that resets the state before its product, on layout 0, with an initial state that is learned."""
    b = Builder()
    start = b("Expand", b.weight("h0", 1, 1, 3), b.constant([1, 5, 3]))
    y = b("GRU", "input", b.weight("W", 1, 9, 2), b.weight("R", 1, 9, 3), b.weight("B", 1, 18), "", start, hidden_size=3, outputs=2)[1]
    y = b("Squeeze", y, b.constant([0]))
    return b.model("gru_reset_before", [3, 5, 2], b.linear(y, "head", 3, 2))


def lstm_peepholes():
    """An LSTM operator with peepholes and a coupled forget gate off; cell states of all gates are seen."""
    b = Builder()
    y = b("LSTM", "input", b.weight("W", 1, 8, 2), b.weight("R", 1, 8, 2), b.weight("B", 1, 16), "", "", "", b.weight("P", 1, 6),
          hidden_size=2, outputs=2)[1]
    y = b("Squeeze", y, b.constant([0]))
    return b.model("lstm_peepholes", [4, 6, 2], b.linear(y, "head", 2, 2))


def loop_recurrence():
    """A Loop that applies one tanh layer three times."""
    body = h.make_graph(
        [h.make_node("MatMul", ["s", "rec.kernel"], ["u"]), h.make_node("Add", ["u", "rec.bias"], ["v"]), h.make_node("Tanh", ["v"], ["s_out"]),
         h.make_node("Identity", ["go"], ["go_out"])],
        "body", [h.make_tensor_value_info("i", T.INT64, []), h.make_tensor_value_info("go", T.BOOL, []), h.make_tensor_value_info("s", T.FLOAT, [8, 4])],
        [h.make_tensor_value_info("go_out", T.BOOL, []), h.make_tensor_value_info("s_out", T.FLOAT, [8, 4])])
    b = Builder()
    b.weight("rec.kernel", 4, 4)
    b.weight("rec.bias", 4)
    x = b("Tanh", b.linear("input", "a", 3, 4))
    n = b.constant(3)
    x = b("Loop", n, "", x, body=body)
    return b.model("loop_recurrence", [8, 3], b.linear(x, "head", 4, 2))


def einsum_attention():
    """Attention by Einsum with heads as an axis of the weights (Flax)."""
    b = Builder()
    q, k, v = (b("Einsum", "input", b.weight(n, 3, 2, 2), equation="btd,dhk->bthk") for n in ("query", "key", "value"))
    s = b("Softmax", b("Einsum", q, k, equation="bqhd,bkhd->bhqk"), axis=-1)
    y = b("Einsum", s, v, equation="bhqk,bkhd->bqhd")
    y = b("Einsum", y, b.weight("out", 2, 2, 3), equation="bthk,hkd->btd")
    return b.model("einsum_attention", [3, 5, 3], y)


def strided_slices():
    """Even and odd units by strided slices see different activations."""
    b = Builder()
    y = b.linear("input", "a", 3, 6)
    one, two, zero, six = b.constant([1]), b.constant([2]), b.constant([0]), b.constant([6])
    even = b("Slice", y, zero, six, one, two)
    odd = b("Slice", y, one, six, one, two)
    y = b("Mul", b("Tanh", even), b("Sigmoid", odd))
    return b.model("strided_slices", [8, 3], b.linear(y, "b", 3, 2))


def maximum_positions():
    """A pool whose positions are an output too: channels of the pool cannot be permuted."""
    b = Builder()
    x = b("Conv", "input", b.weight("w1", 3, 2, 1, 1))
    y, where = b("MaxPool", x, kernel_shape=[2, 2], outputs=2)
    z = b("Conv", y, b.weight("w2", 2, 3, 1, 1))
    s = b("ReduceSum", b("Cast", where, to=1), b.constant([1]), keepdims=1)
    return b.model("maximum_positions", [4, 2, 3, 3], b("Add", z, s))


def mean_variance():
    """MeanVarianceNormalization over a batch, between plain layers."""
    b = Builder()
    x = b("Relu", b.linear("input", "a", 3, 4))
    x = b("MatMul", x, b.weight("m", 4, 4))
    x = b("MeanVarianceNormalization", b("Reshape", x, b.constant([8, 4, 1, 1])), axes=[0, 2, 3])
    return b.model("mean_variance", [8, 3], b.linear(b("Reshape", x, b.constant([8, 4])), "b", 4, 2))


MODELS = (keras_channels_last, keras_batch_norm, fused_transformer, fused_multi_head, fused_decoder, fused_convolution, layer_normalization_operator,
          gru_reset_before, lstm_peepholes, loop_recurrence, einsum_attention, strided_slices, maximum_positions, mean_variance)


def save(folder):
    for make in MODELS:
        (folder / f"{make.__name__}.onnx").write_bytes(make().SerializeToString())
