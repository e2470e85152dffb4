/**
 * @file Notebooks of the client. The analysis gets a notebook as the file that it would be saved as, so that the command
 * line and the editor say the same; each cell is a document of its own for the features, with the notebook's analysis.
 */
import type { Connection, NotebookDocument, NotebookDocuments } from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import type { Analyses } from "./analyses";
import { forgetCell, nameCell, pathOf } from "./uris";

/** Keeps analyses up to date with the client's notebooks; `changed` is told which cells may have other findings now. */
export function followNotebooks(
  connection: Connection,
  notebooks: NotebookDocuments<TextDocument>,
  analyses: Analyses,
  changed: (cells: readonly string[]) => void,
): void {
  const versions = new Map<string, number>();

  const update = (notebook: NotebookDocument): void => {
    const version = (versions.get(notebook.uri) ?? 0) + 1;
    versions.set(notebook.uri, version);
    leave(notebook.uri);
    const cells = notebook.cells.map((cell, index) => {
      const document = notebooks.getCellTextDocument(cell);
      nameCell(cell.document, `${pathOf(notebook.uri)}#cell=${index}`);
      if (document) analyses.join(document, notebook.uri);
      return { cell_type: "code", source: document?.getText() ?? "" };
    });
    analyses.update(TextDocument.create(notebook.uri, "python", version, JSON.stringify({ cells, nbformat: 4 })));
    changed(notebook.cells.map((c) => c.document));
  };

  const leave = (uri: string): void => {
    for (const cell of analyses.partsOf(uri)) {
      analyses.part(cell);
      forgetCell(cell);
    }
  };

  notebooks.onDidOpen(update);
  notebooks.onDidChange(({ notebookDocument }) => update(notebookDocument));
  notebooks.onDidClose(({ uri }) => {
    leave(uri);
    versions.delete(uri);
    analyses.close(uri);
  });
  notebooks.listen(connection);
}
