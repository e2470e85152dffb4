/** @file Entry of the page of an .onnx file (dist/webview/onnx.js): the network drawn, with what is known of its symmetries. */
import type { DrawnFile } from "../../../server/protocol";
import { button, element } from "../elements";
import { t, translateWith } from "../text";
import { Details } from "./details";
import type { FromView, ToView } from "./messages";
import { Picture } from "./picture";
import { type Box, firstOpen, layoutRequest, type Scene, sceneOf } from "./scene";
import { letter } from "./spaces";

declare function acquireVsCodeApi(): { postMessage(message: FromView): void };

/** Boxes that the first picture shows at most; ELK lays them out in about a tenth of a second. */
const FIRST = 70;
/** Milliseconds after which a layout is said to take its time. */
const PATIENCE = 300;
const SEVERITIES = ["error", "warning", "info", "hint"];

translateWith(JSON.parse(document.body.dataset["translations"] ?? "{}") as Record<string, string>);
const api = acquireVsCodeApi();
const begun = performance.now();
let file: DrawnFile | undefined;
let open = new Set<number>();
let scene: Scene | undefined;
let selected: string | undefined;
/** The layout that is waited for. */
let wanted:
  | { readonly id: number; readonly open: Set<number>; readonly scene: Scene; readonly keep: string | undefined }
  | undefined;
let requests = 0;
let select: string | undefined;

const live = element("div", { class: "live", role: "status", "aria-live": "polite" });
const waiting = element("div", { class: "waiting", hidden: "" });
const stage = element("div", {
  class: "stage",
  tabindex: 0,
  role: "application",
  "aria-roledescription": t("network graph"),
  "aria-label": t("The network. Arrow keys go along its lines, Enter opens a module, slash searches."),
});
const search = element("input", {
  type: "search",
  placeholder: t("Find"),
  "aria-label": t("Find operator, module or weight"),
  title: t("Find operator, module or weight"),
  spellcheck: "false",
});
const hits = element("ul", { class: "hits", role: "listbox", "aria-label": t("Found"), hidden: "" });
const legend = element("span", { class: "quiet count" });
const toolbar = element("div", { class: "toolbar", role: "toolbar", "aria-label": t("Picture") }, [
  element("div", { class: "search" }, [search, hits]),
  button("−", { title: t("Zoom out (-)"), "aria-label": t("Zoom out") }, () => picture.zoom(1 / 1.25)),
  button("+", { title: t("Zoom in (+)"), "aria-label": t("Zoom in") }, () => picture.zoom(1.25)),
  button(t("Fit"), { title: t("All of it (0)") }, () => picture.fit()),
  button(t("Open all"), { title: t("Open every module") }, () => show(new Set(file?.drawing.modules.keys()), undefined)),
  button(t("Close all"), { title: t("Close every module") }, () => show(new Set(), undefined)),
  button(t("Text"), { title: t("The graph in ONNX's text syntax") }, () => api.postMessage({ kind: "openText" })),
  legend,
]);

const details = new Details({
  select: (node) => goTo(node),
  space: (space) => markSpace(space),
  openSource: (scope) => api.postMessage({ kind: "openSource", scope }),
  openText: (node) => api.postMessage({ kind: "openText", node }),
});
const picture = new Picture(stage, { finding: findingOf, label: labelOf }, (id, toggles) => {
  stage.focus();
  const box = id === undefined ? undefined : scene?.boxes.get(id);
  if (box && toggles && (box.kind === "open" || box.kind === "closed")) toggle(box);
  else if (box?.kind === "open") toggle(box);
  else choose(box?.id);
});
document.body.append(element("main", {}, [toolbar, stage, waiting, live]), details.root);

window.addEventListener("message", ({ data }: MessageEvent<ToView>) => receive(data));
api.postMessage({ kind: "ready" });

function receive(message: ToView): void {
  switch (message.kind) {
    case "drawing":
      file = message.file;
      // Until there is something to draw, the report has the whole page.
      document.body.classList.remove("plain");
      selected = undefined;
      details.file(file);
      document.title = message.name;
      return show(firstOpen(file.drawing, FIRST), undefined);
    case "report":
      return details.report(message.html);
    case "layout":
      if (wanted?.id !== message.id) return;
      ({ open, scene } = wanted);
      picture.show(scene, message.layout, wanted.keep);
      wanted = undefined;
      settle();
      if (selected !== undefined && !scene.boxes.has(selected)) choose(undefined);
      else choose(selected);
      if (select !== undefined) selectNamed(select);
      return;
    case "layoutFailed":
      if (wanted?.id !== message.id) return;
      wanted = undefined;
      settle();
      live.textContent = message.message;
      return;
    case "source":
      details.source(message.label, new Set(Object.keys(message.match.layers)));
      if (selected !== undefined) choose(selected);
      return;
    case "select":
      select = message.node;
      if (scene && !wanted) selectNamed(message.node);
  }
}

/** Asks for the layout of the picture with some modules open; the present one stays until it is there. */
function show(next: Set<number>, keep: string | undefined): void {
  if (!file) return;
  if (wanted) api.postMessage({ kind: "cancelLayout", id: wanted.id });
  const made = sceneOf(file.drawing, next);
  wanted = { id: ++requests, open: next, scene: made, keep };
  const { id } = wanted;
  api.postMessage({ kind: "layout", id, request: layoutRequest(made) });
  setTimeout(() => {
    if (wanted?.id !== id) return;
    const stop = button(t("Cancel"), {}, () => {
      api.postMessage({ kind: "cancelLayout", id });
      wanted = undefined;
      settle();
    });
    waiting.replaceChildren(t("Placing {0} boxes… ", made.boxes.size), stop);
    waiting.hidden = false;
  }, PATIENCE);
}

function settle(): void {
  waiting.hidden = true;
  const shown = scene?.boxes.size ?? 0;
  const hidden = file?.drawing.hidden ?? 0;
  const parts = [
    t("{0} boxes", shown.toLocaleString("en")),
    t("{0} operators", (file?.drawing.nodes.length ?? 0).toLocaleString("en")),
  ];
  if (hidden > 0) parts.push(t("{0} of shape arithmetic left out", hidden.toLocaleString("en")));
  legend.textContent = parts.join(" · ");
  requestAnimationFrame(() => requestAnimationFrame(report));
}

/** Tells the extension what is drawn. */
function report(): void {
  const boxes = scene?.boxes.size ?? 0;
  api.postMessage({ kind: "shown", boxes, elements: picture.elements, ...(selected === undefined ? {} : { selected }) });
  document.body.dataset["shown"] = String(Math.round(performance.now() - begun));
}

function toggle(box: Box): void {
  const next = new Set(open);
  if (!next.delete(box.index)) next.add(box.index);
  show(next, box.id);
}

/** Spaces that act on weights of some nodes; those of what they write where they have none. */
function spacesOf(nodes: readonly number[]): number[] {
  const { drawing } = file!;
  const own = new Set(nodes);
  const acting = drawing.spaces.flatMap((s, i) => (s.acts.some((a) => a.node !== undefined && own.has(a.node)) ? [i] : []));
  return acting.length > 0 ? acting : [...new Set(nodes.flatMap((n) => drawing.nodes[n]!.writes))];
}

function membersOf(spaces: readonly number[]): Set<string> {
  const { drawing } = file!;
  return new Set(
    spaces.flatMap((s) => drawing.spaces[s]!.acts.flatMap((a) => (a.node === undefined ? [] : [scene!.boxOf[a.node]!]))),
  );
}

/** Selects a box, lights up what shares its symmetries, and says what it is. */
function choose(id: string | undefined): void {
  selected = id;
  const box = id === undefined ? undefined : scene?.boxes.get(id);
  if (!file || !scene || !box) {
    picture.mark(undefined, new Set(), undefined);
    details.nothing();
    return report();
  }
  const spaces = spacesOf(box.nodes);
  const isModule = box.kind === "closed" || box.kind === "open";
  picture.mark(box.id, isModule ? new Set() : membersOf(spaces), spaces[0]);
  if (isModule) details.module(box, pathOf(box), spaces, file.drawing, () => toggle(box));
  else details.node(file.drawing, box.index, spaces, file.findings);
  picture.reveal(box.id);
  live.textContent = labelOf(box);
  report();
}

/** The module path of a box; of repeated modules the first one's. */
function pathOf(box: Box): string {
  const { drawing } = file!;
  const first = drawing.modules.find((m) => m.parent === box.index);
  const { path, repeats } = drawing.modules[box.index]!;
  return repeats === undefined ? path : (first?.path ?? path);
}

function markSpace(space: number): void {
  if (!file || !scene) return;
  const members = membersOf([space]);
  picture.mark(undefined, members, space);
  details.space(file.drawing, space);
  const first = [...members][0];
  if (first !== undefined) picture.reveal(first);
  live.textContent = t("Space {0}: {1} boxes share it", letter(space), members.size);
}

/** Selects a node, opening the modules that it is in. */
function goTo(node: number): void {
  if (!file || !scene) return;
  const next = new Set(open);
  for (let m = file.drawing.nodes[node]!.module; m !== undefined; m = file.drawing.modules[m]!.parent) next.add(m);
  if (next.size === open.size) return choose(`n${node}`);
  selected = `n${node}`;
  show(next, undefined);
}

function selectNamed(name: string): void {
  select = undefined;
  const node = file?.drawing.standsFor[name];
  if (node !== undefined) goTo(node);
}

function findingOf(box: Box): { severity: string; count: number } | undefined {
  const own = new Set(box.nodes);
  const found = (file?.findings ?? []).filter((f) => f.node !== undefined && own.has(f.node));
  const worst = SEVERITIES.find((s) => found.some((f) => f.severity === s));
  return worst === undefined ? undefined : { severity: worst, count: found.length };
}

function nameOf({ kind, title }: Box): string {
  if (kind === "closed") return t("Module {0}, closed", title);
  return kind === "open" ? t("Module {0}, open", title) : title;
}

/** What a screen reader says of a box. */
function labelOf(box: Box): string {
  const { drawing } = file!;
  const spaces = spacesOf(box.nodes).slice(0, 3);
  const finding = findingOf(box);
  const names = spaces.map((s) => t("space {0} of {1} channels", letter(s), drawing.spaces[s]!.size));
  const partners = membersOf(spaces).size - 1;
  return [
    nameOf(box),
    box.repeats === undefined ? "" : t("{0} modules that are built alike", box.repeats),
    box.detail,
    names.length > 0 ? names.join(", ") : t("no channel space"),
    partners > 0 ? t("shared with {0} other boxes", partners) : "",
    finding ? t("{0} findings, {1}", finding.count, finding.severity) : "",
  ]
    .filter((part) => part !== "")
    .join(", ");
}

stage.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = keyAction(event.key, event.shiftKey);
  if (!act) return;
  event.preventDefault();
  act();
});

function keyAction(key: string, shift: boolean): (() => void) | undefined {
  switch (key) {
    case "ArrowDown":
      return shift ? () => picture.pan(0, -80) : () => step((l, id) => (l.from === id ? l.to : undefined));
    case "ArrowUp":
      return shift ? () => picture.pan(0, 80) : () => step((l, id) => (l.to === id ? l.from : undefined));
    case "ArrowLeft":
      return shift ? () => picture.pan(80, 0) : () => aside(-1);
    case "ArrowRight":
      return shift ? () => picture.pan(-80, 0) : () => aside(1);
    case "Enter":
    case " ": {
      const box = scene?.boxes.get(selected ?? "");
      if (box?.kind === "closed" || box?.kind === "open") return () => toggle(box);
      const frame = box?.parent === undefined ? undefined : scene?.boxes.get(box.parent);
      return frame ? () => toggle(frame) : undefined;
    }
    case "+":
    case "=":
      return () => picture.zoom(1.25);
    case "-":
      return () => picture.zoom(1 / 1.25);
    case "0":
      return () => picture.fit();
    case "Home":
      return () => picture.home();
    case "/":
    case "f":
      return () => search.focus();
    case "Escape":
      return () => choose(undefined);
    default:
      return undefined;
  }
}

/** Selects the box at the other end of a line; the first box where none is selected. */
function step(next: (line: { readonly from: string; readonly to: string }, id: string) => string | undefined): void {
  if (!scene) return;
  if (selected === undefined || !scene.boxes.has(selected)) return choose(firstBox());
  for (const line of scene.lines) {
    const found = next(line, selected);
    if (found !== undefined) return choose(found);
  }
}

function aside(direction: -1 | 1): void {
  if (selected === undefined) return choose(firstBox());
  const found = picture.beside(selected, direction);
  if (found !== undefined) choose(found);
}

function firstBox(): string | undefined {
  return [...(scene?.boxes.values() ?? [])].find((b) => b.kind !== "open")?.id;
}

const MOST_HITS = 30;
let found: readonly number[] = [];
let at = 0;

search.addEventListener("input", () => {
  const words = search.value
    .toLowerCase()
    .split(/\s+/)
    .filter((w) => w !== "");
  const matches = (file?.drawing.nodes ?? []).flatMap((n, i) => {
    const text = [n.title, n.name, n.scope ?? "", ...n.parameters].join(" ").toLowerCase();
    return words.length > 0 && words.every((w) => text.includes(w)) ? [i] : [];
  });
  found = matches.slice(0, MOST_HITS);
  at = 0;
  listHits();
  live.textContent = words.length === 0 ? "" : t("{0} found", matches.length);
});
search.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    at = (at + (event.key === "ArrowDown" ? 1 : -1) + found.length) % Math.max(1, found.length);
    event.preventDefault();
    listHits();
  } else if (event.key === "Enter") take(found[at]);
  else if (event.key === "Escape") {
    search.value = "";
    found = [];
    listHits();
    stage.focus();
  }
});

function listHits(): void {
  hits.hidden = found.length === 0;
  hits.replaceChildren(
    ...found.map((node, i) => {
      const { title, scope, name } = file!.drawing.nodes[node]!;
      const item = element("li", { role: "option", "aria-selected": String(i === at), id: `hit-${i}` }, [
        element("span", {}, [title]),
        element("span", { class: "quiet" }, [` ${scope ?? name}`]),
      ]);
      item.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        take(node);
      });
      return item;
    }),
  );
  if (found.length > 0) search.setAttribute("aria-activedescendant", `hit-${at}`);
  else search.removeAttribute("aria-activedescendant");
  hits.children[at]?.scrollIntoView({ block: "nearest" });
}

function take(node: number | undefined): void {
  if (node === undefined) return;
  found = [];
  listHits();
  stage.focus();
  goTo(node);
}
