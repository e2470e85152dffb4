import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { separateTexts } from "./manifest";

const manifest = {
  name: "a",
  capabilities: { untrustedWorkspaces: { supported: "limited", description: "why" } },
  contributes: {
    commands: [{ command: "a.run", title: "Run", icon: "$(x)" }],
    menus: { "view/title": [{ command: "a.run", title: "not read" }] },
    configuration: {
      title: "A",
      properties: { "a.title": { type: "string", enum: ["x", "y"], enumDescriptions: ["is x", "is y"], default: "x" } },
    },
  },
};

describe("texts of a manifest", () => {
  it("go to a file of their own, and nothing else does", () => {
    const { manifest: text, texts } = separateTexts(JSON.stringify(manifest), {});
    assert.deepEqual(JSON.parse(texts), {
      "capabilities.untrustedWorkspaces.description": "why",
      "contributes.commands.a.run.title": "Run",
      "contributes.configuration.title": "A",
      "contributes.configuration.properties.a.title.enumDescriptions.0": "is x",
      "contributes.configuration.properties.a.title.enumDescriptions.1": "is y",
    });
    const again = JSON.parse(text) as typeof manifest;
    assert.equal(again.contributes.commands[0]!.title, "%contributes.commands.a.run.title%");
    assert.equal(again.contributes.menus["view/title"][0]!.title, "not read");
    assert.deepEqual(again.contributes.configuration.properties["a.title"].enum, ["x", "y"]);
  });

  it("stay as they are the second time, and unused ones go", () => {
    const first = separateTexts(JSON.stringify(manifest), {});
    const known = { ...(JSON.parse(first.texts) as Record<string, string>), old: "gone" };
    assert.deepEqual(separateTexts(first.manifest, known), first);
  });

  it("must be there", () => {
    const broken = JSON.stringify({ contributes: { commands: [{ command: "a", title: "%none%" }] } });
    assert.throws(() => separateTexts(broken, {}), /package.json refers to %none%/);
  });
});
