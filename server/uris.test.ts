import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pathOf, sameDocument, uriOf } from "./uris";

describe("URIs and paths", () => {
  it("go from file URIs to paths and back", () => {
    for (const path of ["/a/b.py", "/a b/ü.py", "/a%20b.py", "/a#b?.py"]) assert.equal(pathOf(uriOf(path)), path);
  });

  it("leave other schemes alone", () => {
    for (const uri of ["untitled:Untitled-1", "vscode-vfs://github/o/r/net.py"]) {
      assert.equal(pathOf(uri), uri);
      assert.equal(uriOf(uri), uri);
    }
  });

  it("know one document under two spellings", () => {
    assert.ok(sameDocument("file:///a%2Bb.py", "file:///a+b.py"));
    assert.ok(!sameDocument("file:///a.py", "file:///b.py"));
  });

  it("take a file URI that names no local file as it is", () => {
    assert.equal(pathOf("file:///a%2Fb.py"), "file:///a%2Fb.py");
  });
});
