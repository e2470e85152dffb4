/**
 * @file Runs a command line. Only what a command needs is loaded, so that help and errors come at once: analysis, the
 * Python parser and ONNX Runtime are imported when they are used.
 */
import { meant } from "../configuration/nearest";
import { WriteError } from "../fixes/replace-file";
import { ConfigurationError, problemLine } from "./configured";
import { EXIT, HELP, UsageError } from "./usage";
import { version } from "./version";
import type { Console } from "./console";

/** Runs the command line; returns the exit code. Never throws. */
export async function run(args: readonly string[], console: Console): Promise<number> {
  try {
    return await dispatch(args, console);
  } catch (error) {
    if (error instanceof UsageError) {
      const [command = ""] = args;
      console.error(`noether: ${error.message}\nTry: noether ${COMMANDS.has(command) ? `${command} ` : ""}--help`);
      return EXIT.usage;
    }
    if (error instanceof ConfigurationError) {
      for (const problem of error.problems) console.error(`noether: ${problemLine(problem)}`);
      return EXIT.configuration;
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
    default: {
      const found = COMMANDS.get(command);
      if (found) return found(rest, console);
      if (/\.(py|onnx)(::\w+)?$/i.test(command)) {
        throw new UsageError(
          `what to do with ${command}? noether symmetries ${command}, or noether check ${command.split("::")[0]}`,
        );
      }
      throw new UsageError(`no command ${command}${meant(command, [...COMMANDS.keys()])}`);
    }
  }
}

/** A command: reads its arguments and runs. Returns the exit code. */
type Command = (args: readonly string[], console: Console) => Promise<number>;

/** A command of how its arguments are read, what is printed where help is asked for, and what it does. */
function command<T extends object>(
  load: () => Promise<{ readonly HELP: string; readonly read: (args: readonly string[]) => T | "help" }>,
  act: (args: T, console: Console) => number | Promise<number>,
): Command {
  return async (args, console) => {
    const { HELP: help, read } = await load();
    const asked = read(args);
    if (asked !== "help") return act(asked, console);
    console.out(help);
    return EXIT.ok;
  };
}

const COMMANDS: ReadonlyMap<string, Command> = new Map(
  Object.entries({
    symmetries: command(
      () => import("./arguments/symmetries"),
      async (args, console) => (await import("./symmetries")).symmetries(args, console),
    ),
    check: command(
      () => import("./arguments/check"),
      async (args, console) => (await import("./check")).check(args, console),
    ),
    fix: command(
      () => import("./arguments/fix"),
      async (args, console) => (await import("./fix-model")).fixModel(args, console),
    ),
    probe: command(
      () => import("./arguments/probe"),
      async (args, console) => (await import("./probe")).probe(args, console),
    ),
    show: command(
      () => import("./arguments/show"),
      async (args, console) => (await import("./show")).show(args, console),
    ),
    export: command(
      () => import("./arguments/export"),
      async (args, console) => (await import("./export")).exportModel(args, console),
    ),
    coverage: command(
      () => import("./arguments/coverage"),
      async (args, console) => (await import("./coverage")).coverage(args, console),
    ),
    rules: command(
      () => import("./arguments/rules"),
      async (args, console) => (await import("./explain")).listRules(args, console),
    ),
    explain: command(
      () => import("./arguments/explain"),
      async (args, console) => (await import("./explain")).explain(args, console),
    ),
    init: command(
      () => import("./arguments/init"),
      async (args, console) => (await import("./init")).init(args, console),
    ),
  }),
);
