/** @file The column beside the picture: what is selected, the channel spaces, the findings, and the report. */
import type { DrawnFile, Drawing } from "../../../server/protocol";
import { button, element } from "../elements";
import { t } from "../text";
import type { Box } from "./scene";
import { colour, letter } from "./spaces";

/** What a click in the column asks for. */
export interface Wishes {
  /** Select a node of the drawing and bring it into sight. */
  select(node: number): void;
  /** Mark the members of a space. */
  space(space: number): void;
  openSource(scope: string): void;
  openText(node: string): void;
}

const TABS = ["Selection", "Spaces", "Findings", "Report"] as const;
type Tab = (typeof TABS)[number];

/** Titles of the tabs; made when the texts are known. */
function titleOf(tab: Tab): string {
  return { Selection: t("Selection"), Spaces: t("Spaces"), Findings: t("Findings"), Report: t("Report") }[tab];
}

/** Addresses of a space that are listed before the rest is only counted. */
const MOST_MEMBERS = 60;

/** The column. */
export class Details {
  readonly root: HTMLElement;
  readonly #tabs = new Map<Tab, HTMLButtonElement>();
  readonly #pages = new Map<Tab, HTMLElement>();
  #source: { readonly label: string; readonly layers: ReadonlySet<string> } | undefined;

  constructor(private readonly wishes: Wishes) {
    const bar = element("div", { role: "tablist", class: "tabs", "aria-label": t("About the network") });
    this.root = element("aside", { class: "details" }, [bar]);
    TABS.forEach((tab) => {
      const made = button(titleOf(tab), { role: "tab", id: `tab-${tab}`, "aria-controls": `page-${tab}` }, () => this.open(tab));
      made.addEventListener("keydown", (event) => {
        const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
        if (step === 0) return;
        event.preventDefault();
        const next = TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length]!;
        this.open(next);
        this.#tabs.get(next)!.focus();
      });
      const page = element("div", { role: "tabpanel", id: `page-${tab}`, class: "page", "aria-labelledby": `tab-${tab}` });
      this.#tabs.set(tab, made);
      this.#pages.set(tab, page);
      bar.append(made);
      this.root.append(page);
    });
    this.open("Report");
  }

  open(tab: Tab): void {
    for (const [name, made] of this.#tabs) {
      made.setAttribute("aria-selected", String(name === tab));
      made.tabIndex = name === tab ? 0 : -1;
      this.#pages.get(name)!.hidden = name !== tab;
    }
  }

  /** The report as HTML that the extension made and escaped. */
  report(html: string): void {
    this.#pages.get("Report")!.innerHTML = html;
  }

  source(label: string, layers: ReadonlySet<string>): void {
    this.#source = { label, layers };
  }

  /** Lists of everything there is. */
  file({ drawing, findings }: DrawnFile): void {
    const spaces = drawing.spaces.map((s, i) =>
      element("li", {}, [
        this.#badge(i),
        button(`${t("{0} channels", s.size.toLocaleString("en"))} · ${s.group}`, { class: "link" }, () => this.wishes.space(i)),
        element("div", { class: "quiet" }, [t("{0} axes of weights", s.acts.length)]),
      ]),
    );
    const noSpace = t("No channel space: nothing may be permuted or rescaled.");
    this.#page("Spaces", [spaces.length > 0 ? element("ul", { class: "list" }, spaces) : element("p", {}, [noSpace])]);
    const found = findings.map(({ rule, severity, message, node }) => {
      const [first = "", ...rest] = message.split("\n");
      const head =
        node === undefined ? element("span", {}, [first]) : button(first, { class: "link" }, () => this.wishes.select(node));
      const more = rest.join("\n").trim();
      return element("li", { class: severity }, [
        element("strong", {}, [severity]),
        " ",
        head,
        element("code", {}, [rule]),
        ...(more === "" ? [] : [element("div", { class: "quiet" }, [more])]),
      ]);
    });
    const counted = findings.length === 0 ? t("Findings") : `${t("Findings")} ${findings.length}`;
    this.#tabs.get("Findings")!.textContent = counted;
    this.#page("Findings", [found.length > 0 ? element("ul", { class: "list" }, found) : element("p", {}, [t("No findings.")])]);
    this.nothing();
  }

  /** Nothing is selected. */
  nothing(): void {
    this.#page("Selection", [
      element("p", {}, [t("Select a box: what acts on its weights is listed here, and the layers that share it light up.")]),
      element(
        "dl",
        { class: "keys" },
        keys().flatMap(([key, what]) => [element("dt", {}, [key]), element("dd", {}, [what])]),
      ),
    ]);
  }

  /** A node is selected, with the spaces that act on it. */
  node(drawing: Drawing, index: number, spaces: readonly number[], findings: DrawnFile["findings"]): void {
    const node = drawing.nodes[index]!;
    const rows: [string, string][] = [
      [t("Module"), node.scope ?? ""],
      [t("Node"), node.kind === "operator" ? node.name : ""],
      [t("Writes"), node.shape],
      [t("Weights"), node.parameters.join(", ")],
    ];
    const facts = rows.filter(([, v]) => v !== "").flatMap(([k, v]) => [element("dt", {}, [k]), element("dd", {}, [v])]);
    const scope = this.#scopeOf(node.scope);
    const buttons = [
      ...this.#sourceButton(scope),
      ...(node.kind === "operator" ? [button(t("Show in text"), {}, () => this.wishes.openText(node.name))] : []),
    ];
    this.#page("Selection", [
      element("h2", {}, [node.title, node.detail === "" ? "" : ` ${node.detail}`]),
      element("dl", { class: "facts" }, facts),
      element("div", { class: "buttons" }, buttons),
      ...findings
        .filter((f) => f.node === index)
        .map((f) => element("p", { class: `note ${f.severity}` }, [element("strong", {}, [f.severity]), ` ${f.message}`])),
      ...(spaces.length === 0
        ? [
            element("p", { class: "quiet" }, [
              t("No channel space acts here: inputs, outputs or operators that are not understood fix it."),
            ]),
          ]
        : spaces.map((s) => this.#space(drawing, s))),
    ]);
    this.open("Selection");
  }

  /** A module is selected. */
  module(
    { kind, title, nodes, repeats }: Pick<Box, "kind" | "title" | "nodes" | "repeats">,
    path: string,
    spaces: readonly number[],
    drawing: Drawing,
    toggle: () => void,
  ): void {
    const scope = this.#scopeOf(path);
    this.#page("Selection", [
      element("h2", {}, [title]),
      element("p", {}, [t("A module of {0} operators.", nodes.length)]),
      ...(repeats === undefined ? [] : [element("p", {}, [t("{0} modules that are built alike", repeats)])]),
      element("div", { class: "buttons" }, [
        button(kind === "open" ? t("Close") : t("Open"), {}, toggle),
        ...this.#sourceButton(scope),
      ]),
      ...spaces.slice(0, 12).map((s) => this.#space(drawing, s)),
    ]);
    this.open("Selection");
  }

  /** A space is selected. */
  space(drawing: Drawing, space: number): void {
    this.#page("Selection", [this.#space(drawing, space)]);
    this.open("Selection");
  }

  #space(drawing: Drawing, space: number): HTMLElement {
    const { acts, group, size } = drawing.spaces[space]!;
    const members = acts
      .slice(0, MOST_MEMBERS)
      .map(({ address, node }) =>
        element("li", {}, [
          node === undefined
            ? element("code", {}, [address])
            : button(address, { class: "link mono" }, () => this.wishes.select(node)),
        ]),
      );
    const more = acts.length - members.length;
    return element("section", { class: "space", "aria-label": t("Space {0}", letter(space)) }, [
      element("h3", {}, [this.#badge(space), t("{0} channels", size.toLocaleString("en"))]),
      element("p", { class: "mono" }, [group]),
      element("ul", { class: "list members", "aria-label": t("Where it acts") }, members),
      ...(more > 0 ? [element("p", { class: "quiet" }, [t("and {0} more", more)])] : []),
    ]);
  }

  #badge(space: number): HTMLElement {
    const made = element("span", { class: "badge" }, [letter(space)]);
    made.style.borderColor = colour(space);
    return made;
  }

  /** The layer that is written in the source, for a module path or for what holds it. */
  #sourceButton(scope: string | undefined): HTMLElement[] {
    if (!this.#source || scope === undefined) return [];
    return [button(t("Go to {0}", this.#source.label), {}, () => this.wishes.openSource(scope))];
  }

  #scopeOf(scope: string | undefined): string | undefined {
    if (!this.#source || scope === undefined) return undefined;
    for (let at = scope; at !== ""; at = at.slice(0, Math.max(0, at.lastIndexOf("."))))
      if (this.#source.layers.has(at)) return at;
    return undefined;
  }

  #page(tab: Tab, children: readonly (Node | string)[]): void {
    this.#pages.get(tab)!.replaceChildren(...children);
  }
}

/** Keys, and what they do. */
function keys(): readonly (readonly [key: string, what: string])[] {
  return [
    [t("arrows"), t("go along the lines")],
    ["Enter", t("open or close a module")],
    ["+ − 0", t("zoom, all of it")],
    ["/", t("search")],
    ["Esc", t("select nothing")],
  ];
}
