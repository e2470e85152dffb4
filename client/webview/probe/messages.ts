/** @file What the probe panel's page and its host in the extension say to each other. */
import type { ProbeEvent, ProbeChoices, ProbeRecord } from "../../../server/protocol";

/** Where the probe of a panel stands. */
export type Phase =
  | { readonly kind: "running" }
  | { readonly kind: "done" }
  | { readonly kind: "cancelled" }
  | { readonly kind: "failed"; readonly message: string };

/** A run that is kept. */
export interface PastRun {
  readonly id: string;
  /** Model, time and setting, for a list. */
  readonly label: string;
}

/** Host -> page. */
export type ToPage =
  /** Everything, for a page that has just been made or that shows another run. */
  | {
      readonly kind: "show";
      readonly model: string;
      readonly choices: ProbeChoices;
      readonly phase: Phase;
      readonly events: readonly ProbeEvent[];
      readonly record?: ProbeRecord;
      readonly history: readonly PastRun[];
      /** Which of the history is shown. */
      readonly shown?: string;
      /** VS Code's translations of the page's texts. */
      readonly translations: Readonly<Record<string, string>>;
    }
  | { readonly kind: "event"; readonly event: ProbeEvent }
  /** Asks for a picture of all charts. */
  | { readonly kind: "picture" };

/** Page -> host. */
export type ToHost =
  | { readonly kind: "ready" }
  | { readonly kind: "run"; readonly choices: ProbeChoices }
  | { readonly kind: "cancel" }
  | { readonly kind: "open"; readonly id: string }
  | { readonly kind: "forget" }
  | { readonly kind: "export"; readonly format: "html" | "png" }
  /** A PNG as base64, in answer to `picture`. */
  | { readonly kind: "picture"; readonly png: string }
  /** What the page shows, for tests: titles of charts, maps and tables, and the sentences. */
  | { readonly kind: "drawn"; readonly phase: Phase["kind"]; readonly titles: readonly string[]; readonly text: string };
