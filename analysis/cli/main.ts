/** @file The command `noether`: hands the process's arguments and streams to `run`. */
import { run } from "./run";

// A reader that has seen enough (`| head`) closes the pipe; that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

void run(process.argv.slice(2), {
  out: (text) => process.stdout.write(`${text}\n`),
  error: (text) => process.stderr.write(`${text}\n`),
  isTTY: process.stdout.isTTY,
  columns: process.stdout.columns,
  environment: process.env,
}).then((code) => {
  // Not process.exit: what was written to a pipe may not have left yet.
  process.exitCode = code;
});
