"""Makes the small ONNX files of this folder and of ../onnx-bad with the onnx package (1.12 was used).   python3 make.py"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

HERE = pathlib.Path(__file__).parent
GOOD, BAD = HERE, HERE.parent / "onnx-bad"
rng = np.random.RandomState(0)


def value(name, shape, kind=T.FLOAT):
    return h.make_tensor_value_info(name, kind, shape)


def weight(name, *shape):
    return nh.from_array(rng.randn(*shape).astype(np.float32), name)


def save(folder, name, graph, opset=13, functions=(), domains=()):
    imports = [h.make_opsetid("", opset)] + [h.make_opsetid(d, 1) for d in domains]
    model = h.make_model(graph, opset_imports=imports, functions=list(functions))
    model.ir_version = 8
    (folder / f"{name}.onnx").write_bytes(model.SerializeToString())


def linear(name, edit=None, sparse=()):
    """y = x w, with something wrong about w."""
    initializer = [] if sparse else [weight("w", 4, 3)]
    graph = h.make_graph([h.make_node("MatMul", ["x", "w"], ["y"], name="product")], name, [value("x", [4, 4])], [value("y", [4, 3])],
                         initializer=initializer, sparse_initializer=list(sparse))
    if edit:
        edit(graph.initializer[0])
    return graph


# --- files that must be read ---
then = h.make_graph([h.make_node("MatMul", ["x", "w1"], ["t"])], "then", [], [value("t", None)])
orelse = h.make_graph([h.make_node("MatMul", ["x", "w2"], ["e0"]), h.make_node("Add", ["e0", "b"], ["e"])], "else", [], [value("e", None)],
                      initializer=[weight("w2", 4, 3), weight("b", 3)])
save(GOOD, "if", h.make_graph(
    [h.make_node("ReduceSum", ["x"], ["s"], keepdims=0), h.make_node("Greater", ["s", "zero"], ["c"]),
     h.make_node("If", ["c"], ["y"], then_branch=then, else_branch=orelse)],
    "if", [value("x", ["N", 4])], [value("y", ["N", 3])], initializer=[weight("w1", 4, 3), nh.from_array(np.float32(0), "zero")]))

body = h.make_graph([h.make_node("MatMul", ["h", "w"], ["hw"]), h.make_node("Tanh", ["hw"], ["h2"]), h.make_node("Identity", ["ci"], ["co"])],
                    "body", [value("i", [], T.INT64), value("ci", [], T.BOOL), value("h", None)], [value("co", [], T.BOOL), value("h2", None)])
save(GOOD, "loop", h.make_graph([h.make_node("Loop", ["n", "", "x"], ["y"], body=body)], "loop", [value("x", [2, 4])], [value("y", [2, 4])],
                                initializer=[weight("w", 4, 4), nh.from_array(np.array(3, np.int64), "n")]))

own = [h.make_opsetid("", 17), h.make_opsetid("my", 1)]
lin = h.make_function("my", "Lin", ["x", "w", "b"], ["y"], [h.make_node("MatMul", ["x", "w"], ["xw"]), h.make_node("Add", ["xw", "b"], ["y"])], own)
leaky = h.make_node("LeakyRelu", ["x"], ["y"])
slope = leaky.attribute.add()
slope.name, slope.ref_attr_name, slope.type = "alpha", "slope", onnx.AttributeProto.FLOAT
act = h.make_function("my", "Act", ["x"], ["y"], [leaky], own, attributes=["slope"])
block = h.make_function("my", "Block", ["x", "w", "b"], ["z"],
                        [h.make_node("Lin", ["x", "w", "b"], ["l"], domain="my"), h.make_node("Act", ["l"], ["z"], domain="my", slope=0.25)], own)
save(GOOD, "functions", h.make_graph(
    [h.make_node("Block", ["x", "w1", "b1"], ["h"], domain="my", name="block1"), h.make_node("Block", ["h", "w2", "b2"], ["y"], domain="my")],
    "functions", [value("x", ["batch", 4])], [value("y", None)], initializer=[weight("w1", 4, 5), weight("b1", 5), weight("w2", 5, 3), weight("b2", 3)]),
    17, [lin, act, block], ["my"])

save(GOOD, "unordered", h.make_graph([h.make_node("Relu", ["h"], ["y"]), h.make_node("MatMul", ["x", "w"], ["h"])], "unordered",
                                     [value("x", ["N", 4])], [value("y", ["N", 3])], initializer=[weight("w", 4, 3)]))

# Every element type in its typed field (t) and, where numpy has the type, in raw_data (r).
tensors = []
for kind, values in [(T.FLOAT16, [1.5, -2, 0.1]), (T.BFLOAT16, [1.5, -2, 0.1]), (T.DOUBLE, [1.5, -2, 0.1]), (T.FLOAT, [1.5, -2, 0.1]),
                     (T.INT8, [-3, 4, 5]), (T.UINT8, [3, 200, 5]), (T.INT16, [-300, 4, 5]), (T.UINT16, [60000, 4, 5]), (T.INT32, [-70000, 4, 5]),
                     (T.INT64, [-2**40, 4, 5]), (T.UINT32, [4000000000, 4, 5]), (T.UINT64, [2**40, 4, 5]), (T.BOOL, [1, 0, 1])]:
    name = T.DataType.Name(kind).lower()
    tensors.append(h.make_tensor(f"t.{name}", kind, [3], values))
    if kind != T.BFLOAT16:
        tensors.append(nh.from_array(np.array(values).astype(onnx.mapping.TENSOR_TYPE_TO_NP_TYPE[kind]), f"r.{name}"))
save(GOOD, "types", h.make_graph([h.make_node("Relu", ["x"], ["y"])], "types", [value("x", [3])], [value("y", [3])], initializer=tensors))

# --- files that must be refused ---
save(BAD, "cycle", h.make_graph([h.make_node("Add", ["x", "b"], ["a"], name="first"), h.make_node("Relu", ["a"], ["b"], name="second")],
                                "cycle", [value("x", [4])], [value("b", [4])]))
save(BAD, "missing-input", h.make_graph([h.make_node("Add", ["x", "nowhere"], ["a"], name="adder")], "missing", [value("x", [4])], [value("a", [4])]))
save(BAD, "duplicate-output", h.make_graph([h.make_node("Relu", ["x"], ["a"]), h.make_node("Tanh", ["x"], ["a"], name="again")],
                                           "duplicate", [value("x", [4])], [value("a", [4])]))
save(BAD, "sparse", linear("sparse", sparse=[h.make_sparse_tensor(weight("w", 2), nh.from_array(np.array([0, 5], np.int64), "i"), [4, 3])]))


def resized(size):
    def edit(w):
        w.dims[0] = size
    return edit


def shortened(w):
    w.raw_data = w.raw_data[:-4]


def escaping(w):
    w.ClearField("raw_data")
    w.data_location = T.EXTERNAL
    entry = w.external_data.add()
    entry.key, entry.value = "location", "../../weights.bin"


save(BAD, "negative-size", linear("negative", resized(-4)))
save(BAD, "huge-size", linear("huge", resized(2**60)))
save(BAD, "short-data", linear("short", shortened))
save(BAD, "escaping-data", linear("escaping", escaping))
whole = (GOOD / "functions.onnx").read_bytes()
(BAD / "truncated.onnx").write_bytes(whole[:300])
# Field 7 of a ModelProto is its graph; here it is a number.
(BAD / "wrong-wire-type.onnx").write_bytes(b"\x08\x08\x38\x05")
(BAD / "text.onnx").write_text("This is not a model.\n")
(BAD / "pointer.onnx").write_text("version https://git-lfs.example/spec/v1\noid sha256:0\nsize 1\n")
(BAD / "archive.onnx").write_bytes(b"PK\x03\x04" + bytes(64))
(BAD / "empty.onnx").write_bytes(b"")
