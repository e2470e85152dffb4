import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Layer } from "../rules/checked";
import { unguardedBiasReader } from "./bias-readers";
import { dropBias } from "./drop-bias";
import { callArguments, classifyPython, lineStarts, offsetAt, positionAt } from "./python-text";

/** The layer whose call is between « and » in a text, its bias argument between ‹ and ›; and the text without the marks. */
function marked(source: string, form: NonNullable<Layer["bias"]>["form"], scope = "net.conv"): { text: string; layer: Layer } {
  let text = "";
  const at: Record<string, number> = {};
  for (const c of source) {
    if ("«»‹›".includes(c)) at[c] = text.length;
    else text += c;
  }
  const starts = lineStarts(text);
  const range = (a: string, b: string) => ({
    file: "net.py",
    start: positionAt(starts, at[a]!),
    end: positionAt(starts, at[b]!),
  });
  const call = range("«", "»");
  const bias = { form, call, ...(at["‹"] === undefined ? {} : { range: range("‹", "›") }) };
  return { text, layer: { scope, constructor: call, uses: [], kind: "Conv2d", parameters: [`${scope}.bias`], bias } };
}

/** The text after the fix. */
function fixed(source: string, form: NonNullable<Layer["bias"]>["form"]): string {
  const { text, layer } = marked(source, form);
  const mended = dropBias({ kind: "drop-bias", layers: [layer] }, text);
  assert.ok("fix" in mended, JSON.stringify(mended));
  assert.equal(mended.fix.exact, true);
  const [edit] = mended.fix.edits;
  const starts = lineStarts(text);
  const start = offsetAt(starts, edit!.range.start, text.length);
  return text.slice(0, start) + edit!.newText + text.slice(offsetAt(starts, edit!.range.end, text.length));
}

describe("bias=False", () => {
  it("replaces a keyword's value and a positional argument", () => {
    assert.equal(fixed("x = «nn.Linear(4, 8, bias=‹True›)»", "keyword"), "x = nn.Linear(4, 8, bias=False)");
    assert.equal(fixed("x = «nn.Linear(4, 8, ‹True›, dtype=d)»", "positional"), "x = nn.Linear(4, 8, False, dtype=d)");
  });

  const inserted: readonly (readonly [string, string])[] = [
    ["x = «nn.Conv2d(3, 8, 3)»\n", "x = nn.Conv2d(3, 8, 3, bias=False)\n"],
    ["x = «nn.LazyLinear()»", "x = nn.LazyLinear(bias=False)"],
    ["x = «nn.LazyLinear( )»", "x = nn.LazyLinear(bias=False )"],
    ["x = «nn.Conv2d(3, 8, (3, 3),)»", "x = nn.Conv2d(3, 8, (3, 3), bias=False,)"],
    ["x = [«nn.Conv2d(f(a)[0], 8, k)», norm(8)]", "x = [nn.Conv2d(f(a)[0], 8, k, bias=False), norm(8)]"],
    ["x = «nn.Conv2d(3, 8, 3, padding_mode='zeros')»  # (", "x = nn.Conv2d(3, 8, 3, padding_mode='zeros', bias=False)  # ("],
    ["x = «nn.Conv2d(\n    3, 8, 3,\n    padding=1,\n)»", "x = nn.Conv2d(\n    3, 8, 3,\n    padding=1,\n    bias=False,\n)"],
    ["x = «nn.Conv2d(\n    3, 8,\n    3,  # odd\n)»", "x = nn.Conv2d(\n    3, 8,\n    3,  # odd\n    bias=False,\n)"],
    ["x = «nn.Conv2d(\n    3, 8,\n    3  # odd, really)\n)»", "x = nn.Conv2d(\n    3, 8,\n    3, bias=False  # odd, really)\n)"],
    ["x = «nn.Conv2d(3, 8,\r\n    3,\r\n)»\r\n", "x = nn.Conv2d(3, 8,\r\n    3,\r\n    bias=False,\r\n)\r\n"],
    ["x = «nn.Conv2d(3, 8, 3,\n)»", "x = nn.Conv2d(3, 8, 3, bias=False,\n)"],
    ["x = «get(nn)('a)', b)(3, 8, 3)»", "x = get(nn)('a)', b)(3, 8, 3, bias=False)"],
    ["é = '𝒳'; x = «nn.Linear(3, 8)»", "é = '𝒳'; x = nn.Linear(3, 8, bias=False)"],
  ];
  for (const [source, expected] of inserted) {
    it(`is inserted: ${JSON.stringify(source)}`, () => assert.equal(fixed(source, "default"), expected));
  }

  it("is refused, with the reason, where it might be wrong", () => {
    const reason = (
      source: string,
      form: NonNullable<Layer["bias"]>["form"],
      more: { refusal?: string; layers?: Layer[] } = {},
    ) => {
      const { text, layer } = marked(source, form);
      const { layers = [], ...rest } = more;
      const mended = dropBias({ kind: "drop-bias", layers: [layer, ...layers], ...rest }, text);
      assert.ok("reason" in mended, JSON.stringify(mended));
      return mended.reason;
    };
    assert.match(reason("x = «nn.Linear(4, 8, bias=flag)»", "indirect"), /variable or a wrapper/);
    assert.match(reason("x = «nn.Linear(4, 8, bias=‹flag›)»", "keyword"), /variable or a wrapper/);
    assert.match(reason("x = «nn.Linear(*sizes)»", "default"), /could not be read/);
    assert.match(reason("x = «nn.Linear(4, 8, **options)»", "default"), /could not be read/);
    assert.match(reason("x = «layer»", "default"), /could not be read/);
    assert.match(reason("x = «nn.Linear(4, 8)»", "default", { refusal: "others need it" }), /others need it/);
    assert.match(reason("self.conv = «nn.Conv2d(4, 8, 1)»\nnn.init.zeros_(self.conv.bias)\n", "default"), /line 2 reads a bias/);
  });
});

describe("readers of a bias", () => {
  const read = (text: string) => unguardedBiasReader(text, ["conv1", "features"])?.line;

  it("are found where they would fail without one", () => {
    assert.equal(read("self.conv1.bias.data.zero_()"), 1);
    assert.equal(read("x = 1\nnn.init.constant_(m.bias, 0)"), 2);
    assert.equal(read("for m in self.modules():\n    if isinstance(m, nn.Conv2d):\n        m.bias.data.zero_()"), 3);
    assert.equal(read("y = self.features[0].bias"), 1);
    assert.equal(read("if m.bias is not None:\n    pass\nm.bias.zero_()"), 3);
  });

  it("are not where somebody asks first, assigns, or means another layer", () => {
    for (const text of [
      "if m.bias is not None:\n    nn.init.zeros_(m.bias)",
      "if isinstance(m, nn.Linear) and m.bias is not None:\n    # why\n    nn.init.zeros_(m.bias)",
      "if m.bias is not None: nn.init.zeros_(m.bias)",
      "has = m.bias is not None",
      "self.conv1.bias = None",
      "nn.init.zeros_(self.fc.bias)",
      "# m.bias.zero_()\ns = 'm.bias.zero_()'\n'''\nm.bias.zero_()\n'''",
      "self.conv1.bias_scale * x",
      "return x + self.bias",
      "conv1 = nn.Conv2d(3, 8, 3, bias=True)",
    ]) {
      assert.equal(read(text), undefined, text);
    }
  });
});

describe("Python text", () => {
  it("knows strings and comments", () => {
    const text = `a = "x#'" # "y"\nb = '''(\n#'''\nc = r'\\'`;
    const kinds = classifyPython(text);
    const code = [...text].map((c, i) => (kinds[i] === 0 ? c : "_")).join("");
    assert.equal(code, "a = _____ _____\nb = _________\nc = r___");
  });

  it("offsets and positions are inverse", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("a", "\n", "\r", "é", "(") }), fc.nat(), (text, n) => {
        const starts = lineStarts(text);
        const offset = text.length === 0 ? 0 : n % (text.length + 1);
        assert.equal(offsetAt(starts, positionAt(starts, offset), text.length), offset);
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it("never throws on what is not a call, and finds the bracket of what is", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("f", "(", ")", "[", "]", ",", "'", '"', "#", "\n", " ", "*", "=") }),
        (text) => {
          const found = callArguments(text, classifyPython(text), 0, text.length);
          if (found) assert.ok(found.open <= found.lastCode && found.lastCode <= found.close && text[found.close] === ")");
        },
      ),
      { seed: 11, numRuns: 2000 },
    );
  });
});
