import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeSource, encodeSource } from "./encoding";

const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((p) => (typeof p === "string" ? Buffer.from(p, "utf8") : Buffer.from(p))));

test("source comes back byte by byte", () => {
  const sources = [
    bytes("x = 'caf\u00e9 \u{1f600}'\r\n"),
    bytes([0xef, 0xbb, 0xbf], "x = 1\n"),
    bytes("# -*- coding: latin-1 -*-\nx = 'caf", [0xe9, 0x80], "'\n"),
    bytes("#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '", [0x80], "'\n"),
    bytes("# coding: koi8-r\n# ", [0xd0, 0xd2], "\n"),
    bytes("# \ufffd is a character too\n"),
  ];
  for (const source of sources) assert.deepEqual(Buffer.from(encodeSource(decodeSource(source, "a.py"), "a.py")), source);
  assert.match(decodeSource(sources[2]!, "a.py").text, /caf\u00e9\u0080/);
  assert.equal(decodeSource(sources[4]!, "a.py").encoding, "koi8-r");
});

test("what Python does not read is refused with its line", () => {
  const wrong = (source: Uint8Array, message: RegExp) => assert.throws(() => decodeSource(source, "a.py"), message);
  wrong(
    bytes("x = 1\n# caf", [0xe9], "\n"),
    /a\.py:2: the file is not UTF-8 \(byte 0xe9\); save it as UTF-8, or name its encoding/,
  );
  wrong(bytes("x\n\ny = '", [0], "'"), /a\.py:3: the file holds NUL bytes/);
  wrong(bytes("# coding: klingon\n"), /a\.py: there is no encoding klingon/);
  wrong(bytes("x = 1\n# coding: latin-1\n# ", [0xe9]), /a\.py:3: the file is not UTF-8/);
});

test("what an encoding lacks is not written", () => {
  assert.throws(() => encodeSource({ text: "\u20ac", encoding: "latin-1" }, "a.py"), /a\.py is written in latin-1/);
  const japanese = decodeSource(bytes("# coding: shift_jis\n# ", [0x93, 0xfa]), "a.py");
  assert.match(japanese.text, /\u65e5/);
  assert.throws(() => encodeSource(japanese, "a.py"), /cannot be written back/);
});
