/** @file The page of the probe panel: what a view says, kept up to date without making anew what stays. */
import type { ProbeChoices } from "../../../server/protocol";
import { element } from "../elements";
import { t } from "../text";
import { Chart } from "./chart";
import { palette } from "./colours";
import { buttons, foldedForm } from "./form";
import { HeatMap } from "./heat-map";
import type { PastRun, Phase } from "./messages";
import { count } from "./numbers";
import { pictureOf } from "./picture";
import { tableElement } from "./table";
import type { PanelView } from "./view";

/** What the buttons do. */
export interface PanelActions {
  run(choices: ProbeChoices): void;
  cancel(): void;
  open(id: string): void;
  forget(): void;
  export(format: "html" | "png"): void;
}

/** What is shown besides the view. */
export interface PanelState {
  readonly phase: Phase;
  readonly choices: ProbeChoices;
  readonly history: readonly PastRun[];
  readonly shown?: string;
  /** Updates done and wanted. */
  readonly step: number;
  readonly steps: number;
  readonly doing?: string;
}

/** The panel; `show` draws. */
export class Panel {
  readonly #actions: PanelActions;
  readonly #title = element("h1");
  readonly #conditions = element("p", { class: "conditions" });
  /** Spoken when it changes: where the probe stands. */
  readonly #status = element("div", { class: "status", role: "status" });
  readonly #bar = element("progress", { max: 1, "aria-label": t("Progress of the probe") });
  readonly #controls = element("div", { class: "controls" });
  readonly #verdicts = element("ul", { class: "verdicts" });
  readonly #charts = element("div", { class: "charts" });
  readonly #maps = element("div", { class: "charts" });
  readonly #tables = element("div");
  readonly #notes = element("ul", { class: "notes" });
  readonly #shown = { charts: new Map<string, Chart>(), maps: new Map<string, HeatMap>() };
  #view: PanelView | undefined;
  /** What the controls were made for. */
  #made = "";

  constructor(root: HTMLElement, actions: PanelActions) {
    this.#actions = actions;
    const section = (label: string, ...children: readonly HTMLElement[]): HTMLElement =>
      element("section", { "aria-label": label }, children);
    root.replaceChildren(
      element("header", {}, [this.#title, this.#conditions, this.#status, this.#bar, this.#controls]),
      section(t("Verdicts"), this.#verdicts),
      section(t("Charts"), this.#charts),
      section(t("Similarity of units"), this.#maps),
      section(t("Tables"), this.#tables),
      section(t("Notes"), this.#notes),
    );
  }

  /** Draws a view; charts that stay are updated in place. */
  show(view: PanelView, state: PanelState): void {
    this.#view = view;
    this.#title.textContent = t("Probe of {0}", view.title);
    this.#conditions.textContent = view.conditions.join(" · ").replaceAll(". · ", ". ");
    this.#showStatus(state);
    this.#showControls(state);
    this.#verdicts.replaceChildren(...view.verdicts.map(({ text, tone }) => element("li", { class: tone }, [text])));
    const colours = palette();
    reconcile(
      this.#charts,
      this.#shown.charts,
      view.charts,
      (v) => new Chart(v, colours),
      (chart, v) => chart.update(v, colours),
    );
    reconcile(
      this.#maps,
      this.#shown.maps,
      view.maps,
      (v) => new HeatMap(v, colours),
      (map, v) => map.update(v, colours),
    );
    this.#tables.replaceChildren(
      ...view.tables.flatMap((table) => [
        element("h2", {}, [table.title]),
        ...(table.about === undefined ? [] : [element("p", { class: "about" }, [table.about])]),
        element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": table.title }, [tableElement(table, true)]),
      ]),
    );
    this.#notes.replaceChildren(...view.notes.map((note) => element("li", {}, [note])));
    for (const section of document.querySelectorAll("section"))
      section.hidden = section.querySelector("li, figure, table") === null;
  }

  /** A PNG of what is shown, as a data URL. */
  picture(): string {
    const sentences = this.#view?.verdicts.map((v) => v.text) ?? [];
    const words = { title: this.#title.textContent, sentences };
    return pictureOf(words, [...this.#shown.charts.values()], [...this.#shown.maps.values()], palette());
  }

  #showStatus({ doing, phase, step, steps }: PanelState): void {
    const running = phase.kind === "running";
    this.#bar.hidden = !running;
    if (running && steps > 0 && step < steps) this.#bar.value = step / steps;
    else this.#bar.removeAttribute("value");
    const training =
      step > 0 && step < steps ? t("Training: step {0} of {1}", count(step), count(steps)) : capital(doing ?? t("Preparing"));
    const words = {
      running: training,
      done: "",
      cancelled: t("Cancelled. What had been measured is shown."),
      failed: phase.kind === "failed" ? phase.message : "",
    }[phase.kind];
    // A screen reader need not hear each step: tenths will do.
    const spoken = running && steps > 0 ? Math.floor((10 * step) / steps) : phase.kind;
    this.#status.setAttribute("aria-live", this.#status.dataset["spoken"] === String(spoken) ? "off" : "polite");
    this.#status.dataset["spoken"] = String(spoken);
    this.#status.className = phase.kind === "failed" ? "status bad" : "status";
    if (this.#status.textContent !== words) this.#status.textContent = words;
    this.#status.hidden = words === "";
  }

  #showControls({ choices, history, phase, shown }: PanelState): void {
    const key = JSON.stringify([phase.kind, history, shown, choices]);
    if (key === this.#made) return;
    this.#made = key;
    const running = phase.kind === "running";
    const { cancel, export: save, forget, open, run } = this.#actions;
    const select = element("select", { "aria-label": t("Earlier probes") }, [
      ...(shown === undefined ? [element("option", { value: "" }, [running ? t("Running now") : t("Earlier probes")])] : []),
      ...history.map(({ id, label }) => element("option", { value: id }, [label])),
    ]);
    select.value = shown ?? "";
    select.addEventListener("change", () => {
      if (select.value !== "") open(select.value);
    });
    this.#controls.replaceChildren(
      running
        ? buttons([{ label: t("Cancel"), press: cancel, kind: "primary" }])
        : buttons([
            { label: t("Run again"), press: () => run(choices), kind: "primary" },
            ...(phase.kind === "done"
              ? [
                  { label: t("Export as HTML"), press: () => save("html") },
                  { label: t("Export as PNG"), press: () => save("png") },
                ]
              : []),
          ]),
      ...(history.length > 0
        ? [element("div", { class: "buttons" }, [select, buttons([{ label: t("Forget all"), press: forget }])])]
        : []),
      ...(running ? [] : [foldedForm(choices, run)]),
    );
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Makes, updates and removes the parts of a container so that they are those of the views, in their order. */
function reconcile<V extends { readonly id: string }, P extends { readonly element: HTMLElement; dispose(): void }>(
  container: HTMLElement,
  parts: Map<string, P>,
  views: readonly V[],
  make: (view: V) => P,
  update: (part: P, view: V) => void,
): void {
  for (const [id, part] of parts) {
    if (views.some((v) => v.id === id)) continue;
    part.dispose();
    parts.delete(id);
  }
  views.forEach((view, i) => {
    let part = parts.get(view.id);
    if (part) update(part, view);
    else {
      part = make(view);
      parts.set(view.id, part);
    }
    if (container.children[i] !== part.element) container.insertBefore(part.element, container.children[i] ?? null);
  });
}
