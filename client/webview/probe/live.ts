/** @file What is known of a probe while it runs: the messages so far, put together. Grows with each message. */
import type { ProbeEvent } from "../../../server/protocol";

type Measures = Extract<ProbeEvent, { kind: "measures" }>;

/** A running probe. */
export interface LiveProbe {
  readonly model: string;
  readonly settings: readonly string[];
  readonly replicas: number;
  readonly parameters: number;
  readonly twin?: string;
  readonly device?: string;
  /** Updates done by the run that is behind the others, and wanted. */
  readonly step: number;
  readonly steps: number;
  /** What takes time besides training. */
  readonly phase?: string;
  /** Losses by setting and replica, in the order in which they came. */
  readonly losses: ReadonlyMap<string, ReadonlyMap<number, { readonly x: readonly number[]; readonly y: readonly number[] }>>;
  readonly measures: readonly Measures[];
  readonly notes: readonly string[];
}

/** Before the first message. */
export function nothingYet(model: string): LiveProbe {
  return { model, settings: [], replicas: 0, parameters: 0, step: 0, steps: 0, losses: new Map(), measures: [], notes: [] };
}

/** What is known after one more message. */
export function after(live: LiveProbe, event: ProbeEvent): LiveProbe {
  switch (event.kind) {
    case "started": {
      const { model, parameters, replicas, settings, steps, twin } = event;
      return { ...live, model, parameters, replicas, settings, steps, ...(twin === undefined ? {} : { twin }) };
    }
    case "device":
      return { ...live, device: event.device };
    case "points": {
      const losses = new Map([...live.losses].map(([setting, runs]) => [setting, new Map(runs)]));
      for (const { loss, replica, setting, step } of event.points) {
        const runs = losses.get(setting) ?? new Map<number, { x: readonly number[]; y: readonly number[] }>();
        losses.set(setting, runs);
        const known = runs.get(replica) ?? { x: [], y: [] };
        runs.set(replica, { x: [...known.x, step], y: [...known.y, loss ?? Number.NaN] });
      }
      return { ...live, losses, step: event.step, steps: event.steps };
    }
    case "measures":
      return { ...live, measures: [...live.measures, event] };
    case "phase":
      return { ...live, phase: event.text };
    case "note":
      return { ...live, notes: [...live.notes, event.text] };
  }
}
