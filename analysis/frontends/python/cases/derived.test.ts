/** @file Classes that derive from containers and mappings, and configurations as transformers writes them. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { model, operatorsOf, prepare } from "../testing/project.fixture";

before(prepare);

/** The width of the one linear layer of `Net`, whose constructor reads `expression`. */
function width(preamble: string, expression: string): number | undefined {
  const m = model(
    `
from collections import OrderedDict
from collections.abc import MutableMapping
${preamble}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, ${expression})

    def forward(self, x):
        return self.fc(x)
`,
    "Net",
  );
  return m.graph.parameters.get("fc.weight")?.shape[0];
}

test("a class derived from dict holds items, and super() reaches dict's own methods", () => {
  const table = `
class Doubling(OrderedDict):
    def __getitem__(self, key):
        return 2 * super().__getitem__(key)

    def __setitem__(self, key, value):
        super().__setitem__(key, value + 1)

TABLE = Doubling({"a": 3})
TABLE["b"] = 4
`;
  assert.equal(width(table, 'TABLE["a"]'), 6);
  assert.equal(width(table, 'TABLE["b"]'), 10);
  assert.equal(width(table, 'TABLE.get("a") + len(TABLE)'), 5);
  assert.equal(width(table, '7 if "b" in TABLE and "c" not in TABLE else 1'), 7);
  assert.equal(width(table, "sum(TABLE.values())"), 8);
  assert.equal(width(table, "dict(**TABLE)['a']"), 3);
});

test("items that are attributes, by the usual tricks, and items that are made when they are missing", () => {
  const tricks = `
class ByGet(dict):
    __getattr__ = dict.get
    __setattr__ = dict.__setitem__

class ByMethod(dict):
    def __getattr__(self, name):
        return self[name]

class Missing(dict):
    def __missing__(self, key):
        return 5

CONFIG = ByGet(hidden=6)
CONFIG.extra = 9
`;
  assert.equal(width(tricks, "CONFIG.hidden"), 6);
  assert.equal(width(tricks, 'CONFIG["extra"]'), 9);
  assert.equal(width(tricks, "ByMethod(hidden=7).hidden"), 7);
  assert.equal(width(tricks, 'Missing(a=1)["b"]'), 5);
});

test("lists and tuples with methods of their own", () => {
  const lists = `
class Widths(list):
    def last(self):
        return self[-1]

class Pair(tuple):
    def __new__(cls, a, b):
        return super().__new__(cls, (a, b))

    @property
    def total(self):
        return self[0] + self[1]

WIDTHS = Widths([3, 4])
WIDTHS.append(8)
`;
  assert.equal(width(lists, "WIDTHS.last() + len(WIDTHS)"), 11);
  assert.equal(width(lists, "Pair(2, 3).total"), 5);
  assert.equal(width(lists, "max(w for w in WIDTHS)"), 8);
});

test("a mapping has its other methods from __getitem__ and __iter__", () => {
  const mapping = `
class Registry(MutableMapping):
    shared = {"base": 3}

    def __init__(self):
        self.own = {}

    def __getitem__(self, key):
        return self.own[key] if key in self.own else self.shared[key]

    def __setitem__(self, key, value):
        self.own[key] = value

    def __delitem__(self, key):
        del self.own[key]

    def __iter__(self):
        return iter({**self.shared, **self.own})

    def __len__(self):
        return len(self.shared.keys() | self.own.keys())

    def find(self, key, default):
        return super().get(key, default)

REGISTRY = Registry()
REGISTRY["wide"] = 6
`;
  assert.equal(width(mapping, 'REGISTRY.find("wide", 1)'), 6);
  assert.equal(width(mapping, 'REGISTRY.find("nowhere", 11)'), 11);
  assert.equal(width(mapping, "sum(REGISTRY.values())"), 9);
  assert.equal(width(mapping, 'REGISTRY.pop("wide")'), 6);
});

test("__getattribute__ is asked for every attribute", () => {
  const aliased = `
class Config:
    names = {"hidden_size": "n_embd", "nothing": "absent"}
    absent = None

    def __init__(self):
        self.n_embd = 6

    def __getattribute__(self, key):
        if key != "names" and key in super().__getattribute__("names"):
            key = super().__getattribute__("names")[key]
        return super().__getattribute__(key)
`;
  assert.equal(width(aliased, "Config().hidden_size"), 6);
  assert.equal(width(aliased, "2 if Config().nothing is None else 3"), 2);
});

test("a configuration of annotated fields, with what follows from them", () => {
  const m = model(
    `
from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

class SmallConfig(PreTrainedConfig):
    attribute_map = {"width": "hidden_size"}
    hidden_size: int = 12
    num_attention_heads: int = 3
    head_dim: int | None = None
    tie_word_embeddings: bool = False
    rope_parameters: dict | None = None

    def __post_init__(self, **kwargs):
        if self.head_dim is None:
            self.head_dim = self.hidden_size // self.num_attention_heads
        super().__post_init__(**kwargs)

class Net(nn.Module):
    def __init__(self, config: SmallConfig = SmallConfig(width=24)):
        super().__init__()
        self.fc = nn.Linear(config.hidden_size, config.head_dim, bias=config.tie_word_embeddings)
        self.scale = config.rope_parameters["rope_theta"] if config.rope_parameters["rope_type"] == "default" else 1.0

    def forward(self, x):
        return self.fc(x) * self.scale
`,
    "Net",
  );
  assert.deepEqual(
    operatorsOf(m.graph).filter((o) => o !== "Transpose"),
    ["MatMul", "Mul"],
  );
  assert.deepEqual(
    [...m.graph.parameters.values()].map((p) => [p.name, p.shape]),
    [["fc.weight", [8, 24]]],
  );
});

test("a decoder beside an encoder is given an input of its own", () => {
  const m = model(
    `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Embedding(7, 4)
        self.decoder = nn.Embedding(9, 4)

    def forward(self, input_ids=None, decoder_input_ids=None, attention_mask=None):
        if decoder_input_ids is None:
            raise ValueError("You have to specify decoder_input_ids")
        return self.encoder(input_ids).mean(1) + self.decoder(decoder_input_ids).mean(1)
`,
    "Net",
  );
  assert.deepEqual(
    m.graph.inputs.map((i) => i.name),
    ["input_ids", "decoder_input_ids"],
  );
});
