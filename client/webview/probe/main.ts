/** @file Entry of the probe panel's page (dist/probe-panel.js). */
import { translateWith } from "../text";
import { after, type LiveProbe, nothingYet } from "./live";
import { liveView } from "./live-view";
import type { ToHost, ToPage } from "./messages";
import { Panel } from "./panel";
import { recordView } from "./record-view";

declare function acquireVsCodeApi(): { postMessage(message: ToHost): void; setState(state: unknown): void };

const host = acquireVsCodeApi();
const root = document.getElementById("root")!;
// What VS Code hands back when it opens the panel again after a reload.
host.setState(JSON.parse(root.dataset["state"] ?? "null"));
let panel: Panel | undefined;
let current: Extract<ToPage, { kind: "show" }> | undefined;
let live: LiveProbe = nothingYet("");
let pending = false;

/** Milliseconds between drawings: messages come in bursts, and readers who asked for less motion get fewer. */
const PAUSE =
  matchMedia("(prefers-reduced-motion: reduce)").matches || document.body.classList.contains("vscode-reduce-motion") ? 1000 : 150;

window.addEventListener("message", ({ data }: MessageEvent<ToPage>) => {
  switch (data.kind) {
    case "show":
      translateWith(data.translations);
      panel ??= new Panel(root, {
        run: (choices) => host.postMessage({ kind: "run", choices }),
        cancel: () => host.postMessage({ kind: "cancel" }),
        open: (id) => host.postMessage({ kind: "open", id }),
        forget: () => host.postMessage({ kind: "forget" }),
        export: (format) => host.postMessage({ kind: "export", format }),
      });
      current = data;
      live = data.events.reduce(after, nothingYet(data.model));
      draw();
      return;
    case "event":
      live = after(live, data.event);
      if (pending) return;
      pending = true;
      setTimeout(() => {
        pending = false;
        draw();
      }, PAUSE);
      return;
    case "picture":
      host.postMessage({ kind: "picture", png: (panel?.picture() ?? "").replace(/^data:image\/png;base64,/, "") });
  }
});

// The theme changed: canvases have the old colours.
new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ["class", "data-vscode-theme-id"] });

function draw(): void {
  if (!panel || !current) return;
  const { choices, history, phase, record, shown } = current;
  const view = record ? recordView(record, live) : liveView(live);
  panel.show(view, {
    phase,
    choices,
    history,
    step: live.step,
    steps: live.steps,
    ...(shown === undefined ? {} : { shown }),
    ...(live.phase === undefined ? {} : { doing: live.phase }),
  });
  const titles = [...view.charts, ...view.maps, ...view.tables].map((v) => v.title);
  host.postMessage({ kind: "drawn", phase: phase.kind, titles, text: root.innerText.slice(0, 4000) });
}

host.postMessage({ kind: "ready" });
