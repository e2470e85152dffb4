/** @file Child processes that keep their parent alive only while they work. */
import type { ChildProcess } from "node:child_process";

/** Lets the parent end while this child is idle: neither it nor its channel nor its error stream is waited for. */
export function letGo(child: ChildProcess): void {
  child.unref();
  child.channel?.unref();
  const stderr = child.stderr as (NodeJS.ReadableStream & { unref?: () => void }) | null;
  stderr?.unref?.();
}
