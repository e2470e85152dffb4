/**
 * @file Runs a command line. Only what a command needs is loaded, so that help and errors come at once: analysis, the
 * Python parser and ONNX Runtime are imported when they are used.
 */
import { WriteError } from "../fixes/replace-file";
import { readFileSync } from "node:fs";
import path from "node:path";
import { COMMAND_HELP, COMMANDS, EXIT, HELP, meant, UsageError } from "./usage";

/** Where a run writes, and what it knows of its surroundings. */
export interface Console {
  out(text: string): void;
  error(text: string): void;
  readonly isTTY: boolean;
  readonly columns: number | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The program's own file, to start threads of; absent where it runs inside another program. */
  readonly program?: string;
}

/** Runs the command line; returns the exit code. Never throws. */
export async function run(args: readonly string[], console: Console): Promise<number> {
  try {
    return await dispatch(args, console);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`noether: ${error.message}\nTry: noether --help`);
      return EXIT.usage;
    }
    if (error instanceof WriteError) {
      console.error(`noether: ${error.message}`);
      return EXIT.fatal;
    }
    const defect = error instanceof Error ? (error.stack ?? error.message) : String(error);
    console.error(`noether: this should not have happened; please report it.\n${defect}`);
    return EXIT.fatal;
  }
}

async function dispatch([command, ...rest]: readonly string[], console: Console): Promise<number> {
  switch (command) {
    case undefined:
      console.error(HELP);
      return EXIT.usage;
    case "--help":
    case "-h":
    case "help":
      console.out(HELP);
      return EXIT.ok;
    case "--version":
    case "-v":
      console.out(version());
      return EXIT.ok;
    case "symmetries": {
      const { symmetriesArguments } = await import("./arguments");
      const parsed = symmetriesArguments(rest);
      if (parsed === "help") return help("symmetries", console);
      return (await import("./symmetries")).symmetries(parsed, console);
    }
    case "check": {
      const { checkArguments } = await import("./arguments");
      const parsed = checkArguments(rest);
      if (parsed === "help") return help("check", console);
      return (await import("./check")).check(parsed, console);
    }
    case "fix": {
      const { fixArguments } = await import("./fix-model-arguments");
      const parsed = fixArguments(rest);
      if (parsed === "help") return help("fix", console);
      return (await import("./fix-model")).fixModel(parsed, console);
    }
    case "probe": {
      const { probeArguments } = await import("./probe-arguments");
      const parsed = probeArguments(rest);
      if (parsed === "help") return help("probe", console);
      return (await import("./probe")).probe(parsed, console);
    }
    case "export": {
      const { exportArguments, exportModel } = await import("./export");
      const parsed = exportArguments(rest);
      if (parsed === "help") return help("export", console);
      return exportModel(parsed, console);
    }
    case "show": {
      const { show, showArguments } = await import("./show");
      const parsed = showArguments(rest);
      if (parsed === "help") return help("show", console);
      return show(parsed, console);
    }
    case "coverage": {
      const { coverageArguments } = await import("./arguments");
      const parsed = coverageArguments(rest);
      if (parsed === "help") return help("coverage", console);
      return (await import("./coverage")).coverage(parsed, console);
    }
    case "explain": {
      const { explainArguments } = await import("./arguments");
      const parsed = explainArguments(rest);
      if (parsed === "help") return help("explain", console);
      return (await import("./explain")).explain(parsed, console);
    }
    case "rules": {
      const { rulesArguments } = await import("./arguments");
      const parsed = rulesArguments(rest);
      if (parsed === "help") return help("rules", console);
      return (await import("./explain")).listRules(parsed, console);
    }
    case "init": {
      const { initArguments } = await import("./arguments");
      const parsed = initArguments(rest);
      if (parsed === "help") return help("init", console);
      return (await import("./init")).init(parsed, console);
    }
    default:
      if (/\.(py|onnx)(::\w+)?$/i.test(command)) {
        throw new UsageError(
          `what to do with ${command}? noether symmetries ${command}, or noether check ${command.split("::")[0]}`,
        );
      }
      throw new UsageError(`no command ${command}${meant(command, COMMANDS)}`);
  }
}

function help(command: (typeof COMMANDS)[number], console: Console): number {
  console.out(COMMAND_HELP[command]);
  return EXIT.ok;
}

/** The version in the package's own package.json, which is above this file in the source tree and in the bundle. */
export function version(): string {
  for (let folder = import.meta.dirname; ; folder = path.dirname(folder)) {
    try {
      const found = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")) as { name?: string; version?: string };
      if (found.name === "noether" && found.version !== undefined) return found.version;
    } catch {
      // Not here; further up.
    }
    if (path.dirname(folder) === folder) return "unknown";
  }
}
