/**
 * @file The channel of the trace of what client and server say. The language client traces only to a channel whose log level
 * is *Trace*, so that its setting alone does nothing; this one has that level whenever the setting asks for a trace.
 */
import * as vscode from "vscode";

const SETTING = "noether.trace.server";

/** An output channel for the client's tracer; everything goes to the channel that it is made of. */
export class TraceChannel implements vscode.LogOutputChannel {
  readonly #output: vscode.LogOutputChannel;
  readonly #changed = new vscode.EventEmitter<vscode.LogLevel>();
  readonly onDidChangeLogLevel = this.#changed.event;
  readonly #subscriptions: readonly vscode.Disposable[];

  constructor(output: vscode.LogOutputChannel) {
    this.#output = output;
    const tell = (): void => this.#changed.fire(this.logLevel);
    this.#subscriptions = [
      this.#changed,
      output.onDidChangeLogLevel(tell),
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (change.affectsConfiguration(SETTING)) tell();
      }),
    ];
  }

  get name(): string {
    return this.#output.name;
  }

  get logLevel(): vscode.LogLevel {
    const traces = vscode.workspace.getConfiguration().get<string>(SETTING, "off") !== "off";
    return traces ? vscode.LogLevel.Trace : this.#output.logLevel;
  }

  /** Written whatever the level of the channel itself is. */
  trace(message: string, ...args: unknown[]): void {
    if (this.#output.logLevel === vscode.LogLevel.Trace) this.#output.trace(message, ...args);
    else this.#output.info(message, ...args);
  }

  debug(message: string, ...args: unknown[]): void {
    this.#output.debug(message, ...args);
  }

  info(message: string, ...args: unknown[]): void {
    this.#output.info(message, ...args);
  }

  warn(message: string, ...args: unknown[]): void {
    this.#output.warn(message, ...args);
  }

  error(error: string | Error, ...args: unknown[]): void {
    this.#output.error(error, ...args);
  }

  append(value: string): void {
    this.#output.append(value);
  }

  appendLine(value: string): void {
    this.#output.appendLine(value);
  }

  replace(value: string): void {
    this.#output.replace(value);
  }

  clear(): void {
    this.#output.clear();
  }

  show(columnOrPreserveFocus?: vscode.ViewColumn | boolean, preserveFocus?: boolean): void {
    this.#output.show(typeof columnOrPreserveFocus === "boolean" ? columnOrPreserveFocus : preserveFocus);
  }

  hide(): void {
    this.#output.hide();
  }

  /** Ends what this object listens to; the channel that it is made of stays. */
  dispose(): void {
    for (const s of this.#subscriptions) s.dispose();
  }
}
