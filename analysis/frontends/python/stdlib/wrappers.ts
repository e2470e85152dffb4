/** @file Functions and decorators that give back what they are given. */
import { isObject } from "../values/inspect";
import { native } from "../values/make";
import type { NativeCall } from "../values/value";

/** What is given. */
export const identity: NativeCall = (_, a) => a.positional[0] ?? null;

/** `decorator` and `decorator(...)` alike. */
export const wrapper: NativeCall = (_, a) =>
  isObject(a.positional[0]) && a.positional.length === 1 && a.positional[0].k !== "int"
    ? a.positional[0]
    : native("decorator", identity);
