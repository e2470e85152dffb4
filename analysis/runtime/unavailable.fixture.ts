/** @file Run by runner.test.ts in a process whose native library is broken: prints the reason of the failure. */
import { createRunner, RuntimeFailure } from "./index";

createRunner({ kind: "in-process" })
  .open(new Uint8Array(0))
  .then(
    () => console.log("it ran"),
    (error: unknown) => console.log(error instanceof RuntimeFailure ? `${error.reason}: ${error.message}` : String(error)),
  );
