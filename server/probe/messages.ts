/** @file What the server and the process of a probe say to each other over Node's IPC channel. */
import type { DocumentProbe, ProbeAnswer, ProbeEvent } from "../protocol";

/** Server -> process. One probe per process. */
export type ProbeCommand = { readonly kind: "run"; readonly probe: DocumentProbe } | { readonly kind: "cancel" };

/** Process -> server; the last one is `done` or `failed`. */
export type ProbeReply =
  | { readonly kind: "event"; readonly event: ProbeEvent }
  | { readonly kind: "done"; readonly answer: ProbeAnswer }
  /** `message` is a sentence for the user, `detail` a stack for the log. */
  | { readonly kind: "failed"; readonly message: string; readonly detail?: string };
