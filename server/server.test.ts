import assert from "node:assert/strict";
import path from "node:path";
import { describe, it } from "node:test";
import {
  CancellationTokenSource,
  CodeActionRequest,
  CodeLensRequest,
  DidChangeConfigurationNotification,
  DidChangeWatchedFilesNotification,
  DidCloseTextDocumentNotification,
  DidSaveTextDocumentNotification,
  DocumentHighlightKind,
  DocumentHighlightRequest,
  FileChangeType,
  HoverRequest,
  InlayHintRequest,
  LSPErrorCodes,
  type CodeAction,
  type TextDocumentEdit,
  type Diagnostic,
  type DocumentDiagnosticReport,
  type ResponseError,
} from "vscode-languageserver/node";
import { ONNX_REQUEST, SYMMETRIES_REQUEST, type OnnxSummary, type SymmetriesReport } from "./protocol";
import { Harness, type HarnessOptions } from "./testing/harness";

const URI = "file:///project/model.py";

async function withServer(options: HarnessOptions, test: (server: Harness) => Promise<void>): Promise<void> {
  const server = await Harness.start(options);
  try {
    await test(server);
  } finally {
    await server.stop();
  }
}

function items(report: DocumentDiagnosticReport): Diagnostic[] {
  assert.equal(report.kind, "full");
  return report.items;
}

function message(diagnostic: Diagnostic | undefined): string {
  assert.equal(typeof diagnostic?.message, "string");
  return diagnostic?.message as string;
}

describe("language server", () => {
  it("says what it can do", async () => {
    await withServer({}, async ({ initialized: { capabilities, serverInfo } }) => {
      assert.equal(serverInfo?.name, "noether");
      assert.deepEqual(capabilities.diagnosticProvider, {
        identifier: "noether",
        interFileDependencies: true,
        workspaceDiagnostics: false,
      });
      assert.equal(capabilities.hoverProvider, true);
      assert.deepEqual(capabilities.codeActionProvider, {
        codeActionKinds: ["quickfix", "source.fixAll.noether", "refactor.rewrite.noether"],
      });
    });
  });

  it("reports findings, and the same findings only once", async () => {
    await withServer({ configuration: { certify: "never" } }, async (server) => {
      await server.open(URI, "class A\nLinear(4, 4, bias=True)\n");
      const first = await server.pull(URI);
      const [diagnostic] = items(first);
      assert.deepEqual(diagnostic?.range, { start: { line: 1, character: 13 }, end: { line: 1, character: 22 } });
      assert.equal(diagnostic?.code, "bias-before-norm");
      assert.equal(diagnostic?.source, "noether");
      assert.equal(diagnostic?.severity, 2);
      assert.equal(diagnostic?.relatedInformation?.[0]?.location.uri, URI);
      const resultId = first.kind === "full" ? first.resultId : undefined;
      assert.ok(resultId);
      assert.equal((await server.pull(URI, resultId)).kind, "unchanged");
      await server.change(URI, "class A\nLinear(4, 4)\n");
      assert.deepEqual(items(await server.pull(URI, resultId)), []);
    });
  });

  it("answers for the text after the last of many edits, and cancels what the edits outdate", async () => {
    await withServer({ configuration: { certify: "never" } }, async (server) => {
      await server.open(URI, "SLOW bias=True");
      const pulls = [];
      for (let i = 0; i < 20; i++) {
        pulls.push(server.pull(URI).catch((error: ResponseError) => error.code));
        await server.change(URI, `SLOW ${"bias=True ".repeat(i)}`);
      }
      assert.equal(items(await server.pull(URI)).length, 19);
      // The outdated requests were answered, by a cancellation or by what the text was when they were taken up.
      for (const outcome of await Promise.all(pulls)) {
        assert.ok(outcome === LSPErrorCodes.ServerCancelled || typeof outcome === "object", JSON.stringify(outcome));
      }
    });
  });

  it("stops waiting when the client cancels", async () => {
    await withServer({}, async (server) => {
      await server.open(URI, "SLOW bias=True");
      const source = new CancellationTokenSource();
      const pull = server.pull(URI, undefined, source.token);
      source.cancel();
      await assert.rejects(pull, (error: ResponseError) => error.code === LSPErrorCodes.RequestCancelled);
      assert.equal(items(await server.pull(URI)).length, 1);
    });
  });

  it("hovers over a layer", async () => {
    await withServer({ configuration: { certify: "never" } }, async (server) => {
      await server.open(URI, "\n  class Net\n");
      const on = await server.client.sendRequest(HoverRequest.type, {
        textDocument: { uri: URI },
        position: { line: 1, character: 9 },
      });
      assert.deepEqual(on?.contents, { kind: "markdown", value: "**Net** by rule" });
      assert.deepEqual(on?.range, { start: { line: 1, character: 2 }, end: { line: 1, character: 11 } });
      const off = await server.client.sendRequest(HoverRequest.type, {
        textDocument: { uri: URI },
        position: { line: 0, character: 0 },
      });
      assert.equal(off, null);
    });
  });

  it("offers fixes in a hover where there are some", async () => {
    const initializationOptions = { commands: ["noether.showFixes"] };
    await withServer({ configuration: { certify: "never" }, initializationOptions }, async (server) => {
      const said = async (text: string): Promise<string> => {
        const uri = `file:///project/${text.length}.py`;
        await server.open(uri, text);
        const place = { textDocument: { uri }, position: { line: 0, character: 2 } };
        const answer = await server.client.sendRequest(HoverRequest.type, place);
        return (answer!.contents as { value: string }).value;
      };
      assert.equal(await said("class Net"), "**Net** by rule");
      assert.match(await said("class Net LAYER"), /^\*\*Net\*\* by rule\n\n\[Fixes\]\(command:noether\.showFixes\?[^)]+\)$/);
    });
  });

  it("links hovers to places, and to the commands that the client runs", async () => {
    const hover = async (server: Harness): Promise<string> => {
      await server.open(URI, "\n  class Net LINKED\n");
      const textDocument = { uri: URI };
      const answer = await server.client.sendRequest(HoverRequest.type, { textDocument, position: { line: 1, character: 9 } });
      return (answer!.contents as { value: string }).value;
    };
    await withServer({ configuration: { certify: "never" } }, async (server) => {
      assert.equal(await hover(server), `**Net** by rule [here](${URI}#L2,3)`);
    });
    const initializationOptions = { commands: ["noether.probe", "noether.nextMember"] };
    await withServer({ configuration: { certify: "never" }, initializationOptions }, async (server) => {
      const args = encodeURIComponent(JSON.stringify([URI, "Net"]));
      const commands = `[Probe](command:noether.probe?${args}) · [Next layer](command:noether.nextMember?%5B%5D)`;
      assert.equal(await hover(server), `**Net** by rule [here](${URI}#L2,3)\n\n${commands}`);
      const lenses = (await server.client.sendRequest(CodeLensRequest.type, { textDocument: { uri: URI } })) ?? [];
      assert.deepEqual(
        lenses.map((l) => [l.command?.title, l.command?.command]),
        [
          ["summary of Net", "noether.showSymmetries"],
          ["Probe", "noether.probe"],
        ],
      );
    });
  });

  it("has settings of its own for each folder of a workspace", async () => {
    const scoped = {
      "file:///project/a/": { lint: { rules: { "*": "off" }, configuration: "own.toml" } },
      "file:///project/b/": { lint: { rules: { "*": "error" } } },
    };
    const folders = ["file:///project", "file:///project/a", "file:///project/b"];
    await withServer({ scoped, folders, configuration: { lint: { configuration: "all.toml" } } }, async (server) => {
      const said = async (uri: string): Promise<unknown> => {
        await server.open(uri, "class A bias=True SETTINGS");
        return JSON.parse(message(items(await server.pull(uri))[0])) as unknown;
      };
      const native = (file: string): string => path.join(path.sep, ...file.split("/"));
      assert.deepEqual(await said("file:///project/a/net.py"), {
        run: "onType",
        configuration: native("project/a/own.toml"),
        rules: { "*": "off" },
      });
      assert.deepEqual(await said("file:///project/b/net.py"), { run: "onType", configuration: "", rules: { "*": "error" } });
      assert.deepEqual(await said(URI), { run: "onType", configuration: native("project/all.toml"), rules: {} });
    });
  });

  it("shows a mistake in a configuration once, at its place, until it is gone", async () => {
    const toml = "file:///project/noether.toml";
    await withServer({ configuration: { certify: "never" } }, async (server) => {
      await server.open(URI, "class A\nMISTAKE\n");
      await server.open("file:///project/other.py", "MISTAKE\n");
      await server.pull(URI);
      await server.pull("file:///project/other.py");
      await server.until("the mistake", () => server.pushed.get(toml)?.length === 1);
      assert.equal(message(server.pushed.get(toml)?.[0]), "no such rule");
      assert.equal(server.pushed.get(toml)?.[0]?.range.start.line, 2);
      await server.change(URI, "class A\n");
      await server.pull(URI);
      assert.equal(server.pushed.get(toml)?.length, 1, "the other document still has it");
      await server.client.sendNotification(DidCloseTextDocumentNotification.type, {
        textDocument: { uri: "file:///project/other.py" },
      });
      await server.until("nothing", () => server.pushed.get(toml)?.length === 0);
    });
  });

  it("shows lenses, and axes where the settings ask for them", async () => {
    const all = { start: { line: 0, character: 0 }, end: { line: 9, character: 0 } };
    for (const configuration of [{ certify: "never" }, { certify: "never", codeLens: false, inlayHints: true }]) {
      await withServer({ configuration }, async (server) => {
        await server.open(URI, "\nclass A\n");
        const textDocument = { uri: URI };
        const lenses = (await server.client.sendRequest(CodeLensRequest.type, { textDocument })) ?? [];
        const hints = (await server.client.sendRequest(InlayHintRequest.type, { textDocument, range: all })) ?? [];
        const wanted = "codeLens" in configuration ? [[], ["a:A"]] : [["summary of A"], []];
        assert.deepEqual([lenses.map((l) => l.command?.title), hints.map((h) => h.label)], wanted);
        if (lenses[0]) assert.deepEqual(lenses[0].command?.arguments, [{ uri: URI, name: "A", line: 1, character: 0 }]);
      });
    }
  });

  it("highlights the layers of a symmetry, and leaves words to the client", async () => {
    await withServer({ configuration: { certify: "never" } }, async (server) => {
      await server.open(URI, "x\nclass A\n");
      const at = (line: number) =>
        server.client.sendRequest(DocumentHighlightRequest.type, {
          textDocument: { uri: URI },
          position: { line, character: 2 },
        });
      assert.equal(await at(0), null);
      assert.deepEqual(
        (await at(1))?.map((h) => [h.range.start.line, h.kind]),
        [[1, DocumentHighlightKind.Write]],
      );
    });
  });

  it("offers fixes: exact ones preferred and in fix-all, others with a confirmation", async () => {
    await withServer({ configuration: { certify: "never" } }, async (server) => {
      await server.open(URI, "bias=True\ngain\nbias=True\n");
      const ask = async (line: number, only?: string[]): Promise<CodeAction[]> => {
        const range = { start: { line, character: 0 }, end: { line, character: 1 } };
        const context = only ? { diagnostics: [], only } : { diagnostics: [] };
        const answer = await server.client.sendRequest(CodeActionRequest.type, { textDocument: { uri: URI }, range, context });
        return (answer ?? []) as CodeAction[];
      };
      const [exact, whole, silence, ...none] = await ask(0);
      assert.deepEqual(none, [], "no page of the rule, as the client has no command for that");
      assert.equal(whole?.title, "Fix all bias-before-norm in this file");
      const [changes] = whole?.edit?.documentChanges ?? [];
      assert.equal((changes as TextDocumentEdit).edits.length, 2);
      assert.equal(silence?.title, "Ignore bias-before-norm");
      assert.equal(silence?.isPreferred, false);
      assert.equal(exact?.isPreferred, true);
      assert.deepEqual(exact?.edit?.documentChanges, [
        {
          textDocument: { uri: URI, version: 1 },
          edits: [{ range: { start: { line: 0, character: 0 }, end: { line: 0, character: 9 } }, newText: "bias=False" }],
        },
      ]);
      const [unsafe] = await ask(1);
      assert.equal(unsafe?.isPreferred, false);
      assert.equal(Object.values(unsafe?.edit?.changeAnnotations ?? {})[0]?.needsConfirmation, true);
      const [all] = await ask(1, ["source.fixAll"]);
      assert.equal(all?.kind, "source.fixAll.noether");
      const [change] = all?.edit?.documentChanges ?? [];
      assert.ok(change && "edits" in change);
      assert.deepEqual(
        change.edits.map((e) => e.range.start.line),
        [0, 2],
      );
      assert.deepEqual(await ask(1, ["refactor"]), []);
    });
  });

  it("offers changes of training where somebody asks for them, and to measure those of findings where the client can", async () => {
    const initializationOptions = { commands: ["noether.probe"] };
    await withServer({ configuration: { certify: "never" }, initializationOptions }, async (server) => {
      await server.open(URI, "LAYER\ngain\n");
      const ask = async (line: number, context: object): Promise<CodeAction[]> => {
        const range = { start: { line, character: 0 }, end: { line, character: 4 } };
        const params = { textDocument: { uri: URI }, range, context: { diagnostics: [], ...context } };
        return ((await server.client.sendRequest(CodeActionRequest.type, params)) ?? []) as CodeAction[];
      };
      const [rewrite, ...more] = await ask(0, { only: ["refactor"] });
      assert.deepEqual(more, []);
      assert.equal(rewrite?.kind, "refactor.rewrite.noether");
      assert.equal(Object.values(rewrite?.edit?.changeAnnotations ?? {})[0]?.needsConfirmation, true);
      assert.equal((await ask(0, { triggerKind: 1 })).length, 1);
      assert.deepEqual(await ask(0, { triggerKind: 2 }), [], "not while the cursor moves");
      const measure = (await ask(1, {})).find((a) => a.command?.command === "noether.probe");
      assert.deepEqual(measure?.command?.arguments, [URI, "Net", { fixes: [{ id: "syre", parameter: "fc.weight" }] }]);
    });
  });

  it("leads to the page of a rule in clients that can show it", async () => {
    const capabilities = { textDocument: { diagnostic: { codeDescriptionSupport: true } } };
    const initializationOptions = { commands: ["noether.openRule"] };
    await withServer({ configuration: { certify: "never" }, capabilities, initializationOptions }, async (server) => {
      await server.open(URI, "bias=True\n");
      const [finding] = items(await server.pull(URI));
      const link = `command:noether.openRule?${encodeURIComponent('["bias-before-norm"]')}`;
      assert.equal(finding?.codeDescription?.href, link);
      const actions = await server.client.sendRequest(CodeActionRequest.type, {
        textDocument: { uri: URI },
        range: finding!.range,
        context: { diagnostics: [] },
      });
      const last = actions?.at(-1) as CodeAction;
      assert.equal(last.title, "Why bias-before-norm matters");
      assert.deepEqual(last.command?.arguments, ["bias-before-norm"]);
    });
  });

  it("certifies when idle and asks for a new pull", async () => {
    await withServer({}, async (server) => {
      await server.open(URI, "class A\nbias=True");
      assert.match(message(items(await server.pull(URI))[0]), /of the fake$/);
      await server.until("a refresh", () => server.refreshes > 0);
      assert.match(message(items(await server.pull(URI))[0]), /certified$/);
      assert.ok(server.statuses.some((s) => s.state === "certifying"));
      assert.equal(server.statuses.at(-1)?.state, "ready");
      assert.equal(server.statuses.at(-1)?.message, "1 model, 1 finding in 1.0 ms, 3 of 4 calls understood, certified");
    });
  });

  it("survives a crash, a hang and an exception of the analysis, with one log line each", async () => {
    await withServer({ limits: { analyse: 2_000, certify: 2_000, grace: 2_000 } }, async (server) => {
      await server.open(URI, "bias=True");
      assert.equal(items(await server.pull(URI)).length, 1);
      for (const trouble of ["CRASH", "HANG", "THROW"]) {
        const before = server.logs.length;
        await server.change(URI, `${trouble} bias=True`);
        assert.deepEqual(items(await server.pull(URI)), []);
        assert.deepEqual(items(await server.pull(URI)), [], "the same text is not tried again");
        await server.until("a failed status", () => server.statuses.at(-1)?.state === "failed");
        assert.equal(server.logs.length, before + 1, server.logs.join("\n"));
        await server.change(URI, "bias=True bias=True");
        assert.equal(items(await server.pull(URI)).length, 2, `analyses again after ${trouble}`);
        assert.equal(server.statuses.at(-1)?.state, "ready");
      }
    });
  });

  it("keeps the static result when certification crashes", async () => {
    await withServer({}, async (server) => {
      await server.open(URI, "class A\nbias=True DIES_LATER");
      assert.equal(items(await server.pull(URI)).length, 1);
      await server.until("a failed status", () => server.statuses.at(-1)?.state === "failed");
      assert.equal(items(await server.pull(URI)).length, 1);
    });
  });

  it("answers malformed requests with an error and goes on", async () => {
    await withServer({}, async (server) => {
      const bad: [string, unknown][] = [
        ["textDocument/hover", {}],
        ["textDocument/hover", { textDocument: { uri: 4 }, position: null }],
        ["textDocument/codeAction", { textDocument: { uri: URI } }],
        ["textDocument/diagnostic", {}],
        ["noether/onnx", {}],
        ["noether/symmetries", null],
        ["noether/unknown", {}],
      ];
      await server.open(URI, "class A bias=True");
      for (const [method, params] of bad)
        await server.client.sendRequest(method, params).catch((error: ResponseError) => assert.ok(error.code));
      await server.client.sendNotification("textDocument/didChange", {
        textDocument: { uri: "file:///nowhere.py", version: 2 },
        contentChanges: [],
      });
      const body = '{"jsonrpc":"2.0","id":7,"method":"textDocument/hov';
      server.toServer.write(`Content-Length: ${body.length}\r\n\r\n${body}`);
      assert.equal(items(await server.pull(URI)).length, 1);
    });
  });

  it("waits for the save when told to", async () => {
    await withServer({ configuration: { lint: { run: "onSave" }, certify: "never" } }, async (server) => {
      await server.open(URI, "bias=True");
      const first = await server.pull(URI);
      assert.equal(items(first).length, 1);
      await server.change(URI, "nothing");
      assert.equal((await server.pull(URI, first.kind === "full" ? first.resultId : "")).kind, "unchanged");
      await server.client.sendNotification(DidSaveTextDocumentNotification.type, { textDocument: { uri: URI } });
      assert.deepEqual(items(await server.pull(URI)), []);
    });
  });

  it("analyses anew when another file changes on disk, not when its own does", async () => {
    await withServer({ configuration: { certify: "never" } }, async (server) => {
      await server.open(URI, "class A bias=True");
      await server.pull(URI);
      const analysed = (): number => server.statuses.filter((s) => s.state === "analysing").length;
      const touch = (uri: string) =>
        server.client.sendNotification(DidChangeWatchedFilesNotification.type, {
          changes: [{ uri, type: FileChangeType.Changed }],
        });
      await touch(URI);
      await server.until("a refresh", () => server.refreshes === 1);
      await server.pull(URI);
      assert.equal(analysed(), 1);
      await touch("file:///project/base.py");
      await server.until("a refresh", () => server.refreshes === 2);
      await server.pull(URI);
      assert.equal(analysed(), 2);
    });
  });

  it("pushes to clients that cannot pull", async () => {
    await withServer({ capabilities: { textDocument: {} } }, async (server) => {
      await server.open(URI, "class A bias=True");
      await server.until("diagnostics", () => server.pushed.get(URI)?.length === 1);
      await server.change(URI, "class A bias=True bias=True");
      await server.until("both diagnostics", () => server.pushed.get(URI)?.length === 2);
      await server.until("certified ones", () => message(server.pushed.get(URI)?.[0]).endsWith("certified"));
      await server.client.sendNotification(DidCloseTextDocumentNotification.type, { textDocument: { uri: URI } });
      await server.until("no diagnostics", () => server.pushed.get(URI)?.length === 0);
    });
  });

  it("can be switched off and on", async () => {
    await withServer({ configuration: { enable: false } }, async (server) => {
      await server.open(URI, "class A bias=True");
      assert.deepEqual(items(await server.pull(URI)), []);
      await server.until("the status", () => server.statuses.at(-1)?.state === "off");
      server.configuration = { enable: true };
      await server.client.sendNotification(DidChangeConfigurationNotification.type, { settings: null });
      await server.until("a refresh", () => server.refreshes > 0);
      assert.equal(items(await server.pull(URI)).length, 1);
    });
  });

  it("reads .onnx files for the view, and says what is wrong with broken ones", async () => {
    await withServer({}, async (server) => {
      const ask = (uri: string): Promise<OnnxSummary> => server.client.sendRequest(ONNX_REQUEST, { uri });
      assert.deepEqual(
        (await ask("file:///project/a%20b.onnx")).models.map((m) => m.name),
        ["Graph"],
      );
      assert.match((await ask("file:///project/broken.onnx")).problems[0]?.message ?? "", /not an ONNX file/);
      assert.match((await ask("vscode-vfs://github/a.onnx")).problems[0]?.message ?? "", /save a local copy/);
    });
  });

  it("reports the model at the cursor", async () => {
    await withServer({}, async (server) => {
      await server.open(URI, "class A\n  x\nclass B\n  y\n");
      const at = (line?: number): Promise<SymmetriesReport | null> =>
        server.client.sendRequest(SYMMETRIES_REQUEST, {
          uri: URI,
          ...(line !== undefined && { position: { line, character: 2 } }),
        });
      assert.deepEqual(await at(1), { title: "A", text: "report of A\n" });
      assert.deepEqual(await at(3), { title: "B", text: "report of B\n" });
      assert.equal((await at())?.title, "A, B");
    });
  });

  it("forgets closed documents and serves many at once", async () => {
    await withServer({ configuration: { certify: "never" } }, async (server) => {
      const uris = Array.from({ length: 50 }, (_, i) => `file:///project/m${i}.py`);
      for (const [i, uri] of uris.entries()) await server.open(uri, "bias=True ".repeat(i));
      const counts = await Promise.all(uris.map(async (uri) => items(await server.pull(uri)).length));
      assert.deepEqual(
        counts,
        uris.map((_, i) => i),
      );
      await server.client.sendNotification(DidCloseTextDocumentNotification.type, { textDocument: { uri: uris[9]! } });
      assert.deepEqual(items(await server.pull(uris[9]!)), []);
    });
  });
});
