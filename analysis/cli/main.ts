/** @file The command `noether`: hands the process's arguments and streams to `run`. */
import { useTextsOf } from "../texts/say";
import { PART } from "./part-argument";
import { run } from "./run";
import { EXIT } from "./usage";

useTextsOf(process.env);
if (process.argv[2] === PART && process.send !== undefined) void import("./part").then(({ servePart }) => servePart());
else main();

function main(): void {
  // A reader that has seen enough (`| head`) closes the pipe; that is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    process.stderr.write(`noether: the report cannot be written to standard output: ${error.message}\n`);
    process.exit(EXIT.fatal);
  });

  void run(process.argv.slice(2), {
    out: (text) => process.stdout.write(`${text}\n`),
    write: (text) => process.stdout.write(text),
    error: (text) => process.stderr.write(`${text}\n`),
    isTTY: process.stdout.isTTY,
    columns: process.stdout.columns,
    environment: process.env,
    program: import.meta.filename,
  }).then((code) => {
    // Not process.exit: what was written to a pipe may not have left yet.
    process.exitCode = code;
  });
}
