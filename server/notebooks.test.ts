import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  CodeActionRequest,
  DidChangeNotebookDocumentNotification,
  DidCloseNotebookDocumentNotification,
  DidOpenNotebookDocumentNotification,
  type Diagnostic,
  HoverRequest,
  type CodeAction,
  type TextDocumentEdit,
} from "vscode-languageserver/node";
import { SYMMETRIES_REQUEST, type SymmetriesReport } from "./protocol";
import { Harness } from "./testing/harness";

const NOTEBOOK = "file:///project/train.ipynb";
const CELLS = ["a", "b", "c"].map((n) => `vscode-notebook-cell:/project/train.ipynb#${n}`);

/** Opens a notebook of code cells. */
async function open(server: Harness, texts: readonly string[]): Promise<void> {
  await server.client.sendNotification(DidOpenNotebookDocumentNotification.type, {
    notebookDocument: {
      uri: NOTEBOOK,
      notebookType: "jupyter-notebook",
      version: 1,
      cells: texts.map((_, i) => ({ kind: 2 as const, document: CELLS[i]! })),
    },
    cellTextDocuments: texts.map((text, i) => ({ uri: CELLS[i]!, languageId: "python", version: 1, text })),
  });
}

async function withNotebook(texts: readonly string[], test: (server: Harness) => Promise<void>): Promise<void> {
  const server = await Harness.start({ configuration: { certify: "never" } });
  try {
    await open(server, texts);
    await test(server);
  } finally {
    await server.stop();
  }
}

async function items(server: Harness, uri: string): Promise<Diagnostic[]> {
  const report = await server.pull(uri);
  assert.equal(report.kind, "full");
  return report.items;
}

describe("notebooks", () => {
  it("says that it follows them", async () => {
    await withNotebook([], async ({ initialized }) => {
      assert.deepEqual(initialized.capabilities.notebookDocumentSync, {
        notebookSelector: [{ notebook: "*", cells: [{ language: "python" }] }],
      });
    });
  });

  it("reports findings at their cells, and only there", async () => {
    await withNotebook(["import x", "class A\nbias=True", "class B"], async (server) => {
      assert.deepEqual(await items(server, CELLS[0]!), []);
      assert.deepEqual(
        (await items(server, CELLS[1]!)).map((d) => [d.code, d.range.start]),
        [["bias-before-norm", { line: 1, character: 0 }]],
      );
      assert.deepEqual(await items(server, CELLS[2]!), []);
    });
  });

  it("hovers and mends in a cell", async () => {
    await withNotebook(["", "class A\nbias=True"], async (server) => {
      const textDocument = { uri: CELLS[1]! };
      const hover = await server.client.sendRequest(HoverRequest.type, { textDocument, position: { line: 0, character: 7 } });
      assert.deepEqual(hover?.contents, { kind: "markdown", value: "**A** by rule" });
      const elsewhere = { textDocument: { uri: CELLS[0]! }, position: { line: 0, character: 7 } };
      assert.equal(await server.client.sendRequest(HoverRequest.type, elsewhere), null);
      const [diagnostic] = await items(server, CELLS[1]!);
      const actions = await server.client.sendRequest(CodeActionRequest.type, {
        textDocument,
        range: diagnostic!.range,
        context: { diagnostics: [diagnostic!] },
      });
      const edit = (actions?.[0] as CodeAction | undefined)?.edit?.documentChanges?.[0] as TextDocumentEdit;
      assert.deepEqual(edit.textDocument, { uri: CELLS[1]!, version: 1 });
      assert.equal((edit.edits[0] as { newText: string }).newText, "bias=False");
    });
  });

  it("fixes of all findings are asked for by cell, and are of that cell", async () => {
    await withNotebook(["class A\nbias=True", "class B\nbias=True"], async (server) => {
      for (const uri of CELLS.slice(0, 2)) {
        const range = { start: { line: 0, character: 0 }, end: { line: 1, character: 9 } };
        const context = { diagnostics: [], only: ["source.fixAll.noether"] };
        const actions = await server.client.sendRequest(CodeActionRequest.type, { textDocument: { uri }, range, context });
        const changes = (actions?.[0] as CodeAction | undefined)?.edit?.documentChanges as TextDocumentEdit[];
        assert.deepEqual(
          changes.map((c) => [c.textDocument.uri, c.edits.length]),
          [[uri, 1]],
        );
      }
    });
  });

  it("follows edits of cells, and cells that come and go", async () => {
    await withNotebook(["class A\nbias=True", "class B"], async (server) => {
      assert.equal((await items(server, CELLS[0]!)).length, 1);
      const refreshes = server.refreshes;
      await server.client.sendNotification(DidChangeNotebookDocumentNotification.type, {
        notebookDocument: { uri: NOTEBOOK, version: 2 },
        change: {
          cells: { textContent: [{ document: { uri: CELLS[0]!, version: 2 }, changes: [{ text: "class A" }] }] },
        },
      });
      assert.deepEqual(await items(server, CELLS[0]!), []);
      await server.until("a refresh of the other cells", () => server.refreshes > refreshes);
      await server.client.sendNotification(DidChangeNotebookDocumentNotification.type, {
        notebookDocument: { uri: NOTEBOOK, version: 3 },
        change: {
          cells: {
            structure: {
              array: { start: 0, deleteCount: 0, cells: [{ kind: 2, document: CELLS[2]! }] },
              didOpen: [{ uri: CELLS[2]!, languageId: "python", version: 1, text: "bias=True" }],
            },
          },
        },
      });
      assert.equal((await items(server, CELLS[2]!)).length, 1);
      assert.deepEqual(await items(server, CELLS[0]!), []);
      const report: SymmetriesReport = await server.client.sendRequest(SYMMETRIES_REQUEST, {
        uri: CELLS[0]!,
        position: { line: 0, character: 0 },
      });
      assert.equal(report.title, "A", "the model of the cell, not of the first cell");
    });
  });

  it("forgets a notebook that is closed", async () => {
    await withNotebook(["bias=True"], async (server) => {
      await server.client.sendNotification(DidCloseNotebookDocumentNotification.type, {
        notebookDocument: { uri: NOTEBOOK },
        cellTextDocuments: [{ uri: CELLS[0]! }],
      });
      assert.deepEqual(await items(server, CELLS[0]!), []);
    });
  });
});
