import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { close, diagnostics, file, find, hover, open, until } from "./vs-code";

/** What a hover must say of the layer that a call in torchvision's own source makes. */
const LAYERS: Readonly<Record<string, readonly { readonly call: string; readonly says: readonly RegExp[] }[]>> = {
  "torchvision_resnet.py": [
    { call: "nn.Conv2d(3, self.inplanes", says: [/conv1/, /S\(64\)/, /layer1\.0\.conv2/] },
    { call: "nn.Conv2d(in_planes, out_planes, kernel_size=1", says: [/downsample\.0/, /S\(128\)/] },
    { call: "nn.Linear(512 * block.expansion", says: [/fc/, /S\(512\)/] },
  ],
  "torchvision_vgg.py": [
    { call: "nn.Linear(4096, 4096)", says: [/classifier\.3/, /S\(4096\) with \(ℝ₊\)⁴⁰⁹⁶/] },
    { call: "nn.Conv2d(in_channels, v", says: [/features\.0/, /S\(64\) with \(ℝ₊\)⁶⁴/] },
  ],
};

// Debian's python3-torchvision ships the source; where it is not installed there is nothing to open.
for (const [name, layers] of Object.entries(LAYERS)) {
  if (!existsSync(file(name).fsPath)) continue;
  describe(`torchvision's own source, ${name}`, () => {
    after(close);

    for (const { call, says } of layers) {
      it(`says what acts on ${call}`, async () => {
        const document = await open(name);
        const position = find(document, call).translate(0, 4);
        const text = await until("a hover", async () => (await hover(document, position)) || undefined);
        for (const expected of says) assert.match(text, expected);
      });
    }

    it("has nothing to complain about", () => {
      assert.deepEqual(diagnostics(file(name)), []);
    });
  });
}
