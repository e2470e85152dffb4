/** @file Writing files so that a full disk or a lost connection never leaves half a text where a whole one was. */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

/** A file cannot be written. The message names it and says why. */
export class WriteError extends Error {
  override readonly name = "WriteError";
}

/**
 * Puts a text or bytes in place of a file's, whole or not at all: it is written beside the file and then takes its name. Links stay
 * links, and the file's permissions stay. What is no regular file (a device, a pipe) is written to directly.
 * @throws WriteError; the file is as it was
 */
export function replaceFile(file: string, text: string | Uint8Array): void {
  try {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat && !stat.isFile()) return writeFileSync(file, text);
    // A new file could take the name of one that may not be written.
    if (stat) accessSync(file, constants.W_OK);
    const target = stat ? realpathSync(file) : file;
    const part = path.join(path.dirname(target), `.${path.basename(target)}.${process.pid}.noether`);
    try {
      const descriptor = openSync(part, "w", stat?.mode);
      try {
        writeFileSync(descriptor, text);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      // What openSync makes goes through the umask.
      if (stat) chmodSync(part, stat.mode);
      renameSync(part, target);
    } catch (error) {
      rmSync(part, { force: true });
      throw error;
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new WriteError(`${file} cannot be written: ${reason}; it is as it was`, { cause: error });
  }
}
