/**
 * @file Export and verify: runs the workspace's Python, and only when the user has seen and confirmed what is run, to compare
 * PyTorch's export of a class with what was read from its source.
 */
import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import * as vscode from "vscode";
import type { Finding, SourceRange } from "../server/protocol";
import type { NoetherClient } from "./noether-client";
import { VIEW_TYPE } from "./onnx/editor";
import { targetOf } from "./probe/commands";
import { trusts } from "./trust";

/** What `noether export --format json` prints, as far as it is used here. */
export interface ExportedModel {
  /** Whether source and export are one model. */
  readonly agrees: boolean;
  /** The report as text. */
  readonly text: string;
  readonly output: string;
  readonly findings: readonly {
    readonly rule: string;
    readonly severity: Finding["severity"];
    readonly message: string;
    readonly range?: SourceRange;
  }[];
}

/** What `noether export --dry-run --format json` prints. */
interface Plan {
  readonly python: string;
  readonly root: string;
  readonly call: string;
  readonly inputs: readonly string[];
}

const SEVERITIES = {
  error: vscode.DiagnosticSeverity.Error,
  warning: vscode.DiagnosticSeverity.Warning,
  info: vscode.DiagnosticSeverity.Information,
  hint: vscode.DiagnosticSeverity.Hint,
} as const;

/** Exports a class of a file without asking; what the command does once the user has confirmed. */
export type ExportModel = (uri: vscode.Uri, className: string, token?: vscode.CancellationToken) => Promise<ExportedModel>;

/** Registers the command; returns what it does without its questions, for tests. */
export function register(context: vscode.ExtensionContext, client: NoetherClient): void {
  const exporter = new Exporter(context, client);
  current = exporter;
  context.subscriptions.push(
    exporter,
    vscode.commands.registerCommand("noether.exportAndVerify", (place?: unknown, model?: unknown) => exporter.ask(place, model)),
  );
}

let current: Exporter | undefined;

/** Exports without asking. @throws Error when the workspace is not trusted, or the export fails */
export const exportModel: ExportModel = (uri, className, token) => {
  if (!current) throw new Error("the extension is not active");
  return current.run(uri, className, token ?? new vscode.CancellationTokenSource().token, () => {});
};

class Exporter implements vscode.Disposable {
  readonly #diagnostics = vscode.languages.createDiagnosticCollection("noether-export");
  readonly #subscription: vscode.Disposable;

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly client: NoetherClient,
  ) {
    // Findings of an export are about the text that was exported.
    this.#subscription = vscode.workspace.onDidChangeTextDocument(({ contentChanges, document }) => {
      if (contentChanges.length > 0) this.#diagnostics.delete(document.uri);
    });
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#diagnostics.dispose();
  }

  /** The command: asks which model, shows what would be run, and runs it when that is confirmed. */
  async ask(place: unknown, model: unknown): Promise<void> {
    try {
      const { l10n, window } = vscode;
      if (!(await trusts(whyTrust()))) return;
      const target = await targetOf(this.client, place, model, l10n.t("Which model should be exported?"));
      if (target?.model === undefined) {
        if (target) throw new Error(l10n.t("Only classes of Python files can be exported."));
        return;
      }
      const { model: name, uri } = target;
      await save(uri);
      const plan = JSON.parse(await this.#cli(uri, name, ["--dry-run"], undefined, () => {})) as Plan;
      const run = l10n.t("Run Python");
      const detail = [
        `${plan.python} noether-export.py`,
        l10n.t(
          "in {0}: imports {1}, makes {2}, calls it with {3} and exports it to ONNX.",
          plan.root,
          path.basename(uri.fsPath),
          plan.call,
          plan.inputs.join(", "),
        ),
      ].join("\n\n");
      const question = l10n.t("Run your code to export {0}?", name);
      if ((await window.showInformationMessage(question, { modal: true, detail }, run)) !== run) return;
      const options = { location: vscode.ProgressLocation.Notification, cancellable: true, title: l10n.t("Exporting {0}", name) };
      const exported = await window.withProgress(options, (progress, token) =>
        this.run(uri, name, token, (message) => progress.report({ message })),
      );
      await this.#tell(name, exported);
    } catch (error) {
      if (error instanceof vscode.CancellationError) return;
      const message = error instanceof Error ? error.message : String(error);
      const [first = message] = message.split("\n");
      const details = vscode.l10n.t("Show Details");
      this.client.output.error(message);
      const options = message.includes("\n") ? [details] : [];
      if ((await vscode.window.showErrorMessage(`Noether: ${first}`, ...options)) === details) this.client.output.show(true);
    }
  }

  /** Exports a model, and marks the findings that only the export has. @throws Error, CancellationError */
  async run(
    uri: vscode.Uri,
    className: string,
    token: vscode.CancellationToken,
    progress: (message: string) => void,
  ): Promise<ExportedModel> {
    if (!vscode.workspace.isTrusted) throw new Error(whyTrust());
    await save(uri);
    const folder = this.context.storageUri ?? this.context.globalStorageUri;
    const output = path.join(folder.fsPath, "exports", `${className}.onnx`);
    const printed = await this.#cli(uri, className, ["--output", output], token, progress);
    const exported = JSON.parse(printed) as ExportedModel;
    this.client.output.info(exported.text);
    this.#mark(exported);
    return exported;
  }

  /** The command line program, in a process of its own, with the interpreter of the workspace. */
  async #cli(
    uri: vscode.Uri,
    className: string,
    args: readonly string[],
    token: vscode.CancellationToken | undefined,
    progress: (message: string) => void,
  ): Promise<string> {
    const python = await interpreterFor(uri);
    const chosen = python === undefined ? [] : ["--python", python];
    const cli = this.context.asAbsolutePath(path.join("dist", "cli.js"));
    const all = [cli, "export", `${uri.fsPath}::${className}`, "--format", "json", ...chosen, ...args];
    const child = spawn(process.execPath, all, {
      cwd: path.dirname(uri.fsPath),
      env: { ...process.env, ELECTRON_RUN_AS_NODE: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const cancelled = token?.onCancellationRequested(() => child.kill("SIGTERM"));
    try {
      return await answerOf(child, (line) => {
        this.client.output.info(line);
        progress(line);
      });
    } catch (error) {
      if (token?.isCancellationRequested) throw new vscode.CancellationError();
      throw error;
    } finally {
      cancelled?.dispose();
    }
  }

  #mark({ findings }: ExportedModel): void {
    const byFile = new Map<string, vscode.Diagnostic[]>();
    for (const { message, range, rule, severity } of findings) {
      if (!range) continue;
      const uri = vscode.Uri.file(range.file);
      const at = new vscode.Range(range.start.line, range.start.column, range.end.line, range.end.column);
      const known = vscode.languages
        .getDiagnostics(uri)
        .some(
          (d) =>
            d.source === "noether" &&
            codeOf(d) === rule &&
            d.range.start.line <= at.end.line &&
            at.start.line <= d.range.end.line,
        );
      if (known) continue;
      const diagnostic = new vscode.Diagnostic(
        at,
        `${message}\n${vscode.l10n.t("Found in PyTorch's export.")}`,
        SEVERITIES[severity],
      );
      diagnostic.source = "noether";
      diagnostic.code = rule;
      const key = uri.toString();
      byFile.set(key, [...(byFile.get(key) ?? []), diagnostic]);
    }
    this.#diagnostics.clear();
    for (const [uri, list] of byFile) this.#diagnostics.set(vscode.Uri.parse(uri), list);
  }

  async #tell(name: string, { agrees, output }: ExportedModel): Promise<void> {
    const { l10n, window } = vscode;
    const [open, report] = [l10n.t("Open Export"), l10n.t("Show Report")];
    const chosen = agrees
      ? await window.showInformationMessage(l10n.t("{0} was read as PyTorch exports it.", name), open, report)
      : await window.showWarningMessage(l10n.t("{0} was read otherwise than PyTorch exports it.", name), report, open);
    if (chosen === open) await vscode.commands.executeCommand("vscode.openWith", vscode.Uri.file(output), VIEW_TYPE);
    if (chosen === report) this.client.output.show(true);
  }
}

/** What the program prints; lines on its standard error are told as they come. @throws Error with what it says of a failure */
function answerOf(child: ChildProcess, told: (line: string) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = "";
    let error = "";
    child.stdout!.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr!.on("data", (chunk: Buffer) => {
      error += chunk.toString();
      const line = /^noether: (.*)$/m.exec(chunk.toString());
      if (line) told(line[1]!);
    });
    child.on("error", reject);
    child.on("close", () => {
      if (out.trim() !== "") return resolve(out);
      const failure = error.split("\n").filter((l) => !/^noether: (Reading|Exporting|Comparing|running) ?/.test(l));
      reject(
        new Error(
          failure
            .join("\n")
            .replace(/^noether: /, "")
            .trim() || "the export ended without an answer",
        ),
      );
    });
  });
}

function whyTrust(): string {
  return vscode.l10n.t("Export and Verify runs the code of this workspace, which is not trusted.");
}

/** Python runs what is on disk. */
async function save(uri: vscode.Uri): Promise<void> {
  if (uri.scheme !== "file")
    throw new Error(vscode.l10n.t("Only files on disk can be exported, as Python runs them: save a local copy first."));
  const document = vscode.workspace.textDocuments.find((d) => d.uri.toString() === uri.toString());
  if (document?.isDirty) await document.save();
}

/** The interpreter: of the setting, or the one that the Python extension uses; undefined leaves the choice to the program. */
async function interpreterFor(uri: vscode.Uri): Promise<string | undefined> {
  const set = vscode.workspace.getConfiguration("noether", uri).get<string>("python.interpreter");
  if (set !== undefined && set !== "") return set;
  const python = vscode.extensions.getExtension<PythonApi>("ms-python.python");
  if (!python) return undefined;
  try {
    const api = python.isActive ? python.exports : await python.activate();
    const active = api.environments?.getActiveEnvironmentPath(uri);
    const known = active && (await api.environments?.resolveEnvironment(active));
    return known?.executable.uri?.fsPath;
  } catch {
    return undefined;
  }
}

/** The part of the Python extension's interface that is used. */
interface PythonApi {
  readonly environments?: {
    getActiveEnvironmentPath(resource: vscode.Uri): { readonly path: string };
    resolveEnvironment(environment: {
      readonly path: string;
    }): Promise<{ readonly executable: { readonly uri?: vscode.Uri } } | undefined>;
  };
}

function codeOf({ code }: vscode.Diagnostic): string {
  return typeof code === "object" ? String(code.value) : String(code);
}
