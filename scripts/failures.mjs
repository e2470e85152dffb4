// The tests that failed, with their messages: `npm test` says them once more at its very end, where a log is read first.
import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Transform } from "node:stream";

/** Begins a list, for this process and those that it starts. */
export function beginFailures() {
  process.env.TEST_FAILURES = path.join(tmpdir(), `noether-failures-${process.pid}.txt`);
  rmSync(process.env.TEST_FAILURES, { force: true });
}

/** Adds a test to the list, if one was begun. */
export function noteFailure(text) {
  const file = process.env.TEST_FAILURES;
  if (file !== undefined) appendFileSync(file, `  ${text.split("\n").slice(0, 6).join("\n    ")}\n`);
}

/** The list, and its end. */
export function endFailures() {
  const file = process.env.TEST_FAILURES;
  if (!existsSync(file)) return "";
  const text = readFileSync(file, "utf8");
  rmSync(file);
  return text;
}

/** A reporter of node's test runner that writes nothing but to the list. */
export default new Transform({
  writableObjectMode: true,
  transform({ type, data }, _, done) {
    // A file or suite fails with what is in it, which is told by itself.
    const inner = data.details?.error?.failureType === "subtestsFailed";
    if (type === "test:fail" && !inner)
      noteFailure(`${data.file ?? ""}: ${data.name}: ${data.details?.error?.cause?.message ?? ""}`);
    done();
  },
});
