import assert from "node:assert/strict";
import { it } from "node:test";
import { probePage } from "./page";

it("the panel's page loads the extension's own script and styles, and nothing else", () => {
  const page = probePage({
    script: "vscode-resource://ext/probe.js",
    style: "vscode-resource://ext/probe.css",
    origin: "vscode-resource:",
    language: "en",
    state: { uri: 'file:///a"b<c.py' },
  });
  assert.match(page, /default-src 'none'; script-src vscode-resource:; style-src vscode-resource:; img-src data:/);
  assert.doesNotMatch(page, /unsafe|<script>|https?:|style="/);
  const state = /data-state="([^"]*)"/.exec(page)![1]!;
  assert.equal(JSON.parse(state.replaceAll("&quot;", '"').replaceAll("&lt;", "<")).uri, 'file:///a"b<c.py');
});
