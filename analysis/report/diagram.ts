/**
 * @file A model's symmetries as a diagram, in Mermaid or Graphviz: channel spaces are nodes, coloured by what acts on them;
 * parameters that have axes in two spaces are edges between them; branches that may change places are tied by a node of their own.
 */
import type { ModelAnalysis } from "../symmetry/analysis";
import type { Exchange, Symmetry } from "../symmetry/symmetry";
import { count, merge, template } from "./words";

/** What acts on a space, coarsely: the strongest kind that does. */
const KINDS = ["linear", "rotation", "rescaling", "scale", "sign", "permutation"] as const;
/** What a node is: a space, by what acts on it; what nothing acts on; branches that may change places. */
type Kind = (typeof KINDS)[number] | "fixed" | "swap";

/** Fill and border, readable on light and dark pages. */
const COLOURS: Readonly<Record<Kind, readonly [fill: string, border: string]>> = {
  linear: ["#f6d5a8", "#a8620a"],
  rotation: ["#e3cdf2", "#7a3ea1"],
  rescaling: ["#c6def5", "#1f5f99"],
  scale: ["#cdeed6", "#23733d"],
  sign: ["#f3d3d3", "#9a3434"],
  permutation: ["#e4e4e4", "#5c5c5c"],
  fixed: ["#ffffff", "#5c5c5c"],
  swap: ["#fbe9f0", "#a33a6a"],
};

interface DiagramNode {
  readonly id: string;
  readonly kind: Kind;
  readonly lines: readonly string[];
}

interface Link {
  readonly from: string;
  readonly to: string;
  /** Absent for a tie between branches and their spaces. */
  readonly label?: string;
}

interface Diagram {
  readonly name: string;
  readonly nodes: readonly DiagramNode[];
  readonly links: readonly Link[];
}

/** Brackets around a node's text where it is no box: a stadium, a hexagon. */
const MERMAID_SHAPES: Partial<Record<Kind, readonly [string, string]>> = { fixed: ["([", "])"], swap: ["{{", "}}"] };

/** Several models as one Mermaid flowchart, one subgraph each. */
export function mermaid(models: readonly { readonly name: string; readonly analysis: ModelAnalysis }[]): string {
  const out = ["flowchart LR"];
  const used = new Set<Kind>();
  models.forEach((m, k) => {
    const d = diagram(m.name, m.analysis, `m${k}`);
    const body: string[] = [];
    for (const n of d.nodes) {
      used.add(n.kind);
      const text = n.lines.map(escapeMermaid).join("<br>");
      const [open, close] = MERMAID_SHAPES[n.kind] ?? ["[", "]"];
      body.push(`${n.id}${open}"${text}"${close}:::${n.kind}`);
    }
    for (const { from, to, label } of d.links)
      body.push(label === undefined ? `${from} -.- ${to}` : `${from} ---|"${escapeMermaid(label)}"| ${to}`);
    if (models.length === 1) out.push(...body.map((line) => `  ${line}`));
    else out.push(`  subgraph m${k} ["${escapeMermaid(m.name)}"]`, ...body.map((line) => `    ${line}`), "  end");
  });
  for (const [kind, [fill, border]] of Object.entries(COLOURS)) {
    if (!used.has(kind as Kind)) continue;
    out.push(`  classDef ${kind} fill:${fill},stroke:${border},color:#1a1a1a`);
  }
  return out.join("\n");
}

/** Several models as one Graphviz graph, one cluster each. */
export function dot(models: readonly { readonly name: string; readonly analysis: ModelAnalysis }[]): string {
  const out = [
    "graph noether {",
    "  rankdir=LR;",
    '  node [shape=box, style="rounded,filled", fontname="sans-serif", fontsize=11];',
    '  edge [fontname="sans-serif", fontsize=9, color="#777777"];',
  ];
  models.forEach((m, k) => {
    const d = diagram(m.name, m.analysis, `m${k}`);
    out.push(`  subgraph cluster_${k} {`, `    label=${quoted(m.name)};`, '    fontname="sans-serif";');
    for (const n of d.nodes) {
      const [fill, border] = COLOURS[n.kind];
      const label = n.lines.map((l) => l.replace(/[\\"]/g, "\\$&")).join("\\n");
      const shape = n.kind === "swap" ? ", shape=hexagon, style=filled" : "";
      out.push(`    ${n.id} [label="${label}", fillcolor="${fill}", color="${border}"${shape}];`);
    }
    for (const { from, to, label } of d.links)
      out.push(`    ${from} -- ${to} [${label === undefined ? "style=dashed" : `label=${quoted(label)}`}];`);
    out.push("  }");
  });
  out.push("}");
  return out.join("\n");
}

function diagram(name: string, analysis: ModelAnalysis, prefix: string): Diagram {
  const kinds = spaceKinds(analysis);
  const id = (space: number) => `${prefix}s${space}`;
  const fixed = `${prefix}fixed`;
  const alone = new Map<number, string[]>();
  const between = new Map<string, { from: string; to: string; names: string[] }>();
  const touches = new Map<string, Map<number, number>>();
  analysis.spaces.forEach((space, i) => {
    for (const a of space.acts) {
      const at = touches.get(a.parameter) ?? new Map<number, number>();
      if (!at.has(i)) at.set(i, a.axis);
      touches.set(a.parameter, at);
    }
  });
  let pinned = false;
  for (const p of analysis.graph.parameters.values()) {
    if (!p.trainable) continue;
    // From the axis that is read to the axis that is written, as PyTorch lays weights out.
    const spaces = [...(touches.get(p.name) ?? [])].sort((a, b) => b[1] - a[1]).map(([space]) => space);
    const [first, ...rest] = spaces;
    if (first === undefined) continue;
    const axes = new Set(touches.get(p.name)!.values());
    const open = p.shape.filter((n, k) => n > 1 && !axes.has(k)).length > 0;
    if (rest.length === 0 && !open) {
      const known = alone.get(first);
      if (known) known.push(p.name);
      else alone.set(first, [p.name]);
      continue;
    }
    const ends =
      rest.length > 0 ? spaces.slice(1).map((to, k) => [id(spaces[k]!), id(to)] as const) : [[fixed, id(first)] as const];
    pinned ||= rest.length === 0;
    for (const [from, to] of ends) {
      const key = `${from} ${to}`;
      const known = between.get(key);
      if (known) known.names.push(p.name);
      else between.set(key, { from, to, names: [p.name] });
    }
  }
  const nodes: DiagramNode[] = analysis.spaces.map((space, i) => {
    const own = alone.get(i);
    return { id: id(i), kind: kinds[i]!, lines: [`${count(space.size)}: ${space.group}`, ...(own ? [shortened(own)] : [])] };
  });
  const links: Link[] = [...between.values()].map(({ from, to, names }) => ({ from, to, label: shortened(names) }));
  exchangeable(analysis).forEach(({ branches, parameters }, k) => {
    const swap = `${prefix}swap${k}`;
    nodes.push({ id: swap, kind: "swap", lines: ["may change places", shortened(branches)] });
    const touched = analysis.spaces.flatMap(({ acts }, i) => {
      const inside = acts.filter((a) => parameters.has(a.slice?.name ?? a.parameter)).length;
      return inside === 0 ? [] : [{ to: id(i), isOwn: inside === acts.length }];
    });
    // Branches without a space of their own are tied to the spaces that they read and write.
    const own = touched.filter((t) => t.isOwn);
    const tied = (own.length > 0 ? own : touched).map((t) => t.to);
    pinned ||= tied.length === 0;
    for (const to of tied.length > 0 ? tied : [fixed]) links.push({ from: swap, to });
  });
  if (pinned) nodes.push({ id: fixed, kind: "fixed", lines: ["inputs, outputs, fixed axes"] });
  return { name, nodes, links };
}

/** Branches that change places with each other, directly or by way of others, and all parameters of theirs. */
interface ExchangeableBranches {
  readonly branches: readonly string[];
  readonly parameters: ReadonlySet<string>;
}

function exchangeable(analysis: ModelAnalysis): ExchangeableBranches[] {
  let groups: ExchangeableBranches[] = [];
  for (const { branches, parameters } of exchangesOf(analysis)) {
    const shares = (g: ExchangeableBranches): boolean => branches.some((b) => g.branches.includes(b));
    const joined = groups.filter(shares);
    groups = [
      ...groups.filter((g) => !joined.includes(g)),
      {
        branches: [...new Set([...joined.flatMap((g) => g.branches), ...branches])],
        parameters: new Set([...joined.flatMap((g) => [...g.parameters]), ...parameters.flat()]),
      },
    ];
  }
  return groups;
}

function exchangesOf(analysis: ModelAnalysis): Exchange[] {
  return analysis.symmetries.flatMap((s) => s.exchange?.() ?? []);
}

/** The strongest kind of symmetry on each space. */
function spaceKinds(analysis: ModelAnalysis): Kind[] {
  const strength = (s: Symmetry): number => {
    const at = KINDS.findIndex((k) => k === s.kind);
    return at < 0 ? KINDS.length - 1 : at;
  };
  const best = new Map<number, number>();
  for (const s of analysis.symmetries) {
    for (const space of s.spaces) best.set(space, Math.min(best.get(space) ?? KINDS.length, strength(s)));
  }
  return analysis.spaces.map((s) => KINDS[best.get(s.id) ?? KINDS.length - 1]!);
}

/** Parameter names, those of repeated layers together, cut after a few. */
function shortened(names: readonly string[]): string {
  const groups = new Map<string, string[]>();
  for (const n of names) {
    const key = template(n);
    const known = groups.get(key);
    if (known) known.push(n);
    else groups.set(key, [n]);
  }
  const all = [...groups.values()].map(merge);
  return all.length > 3 ? `${all.slice(0, 2).join(", ")} and ${names.length - 2} more` : all.join(", ");
}

/** Mermaid reads HTML entities inside quotes; a raw quote or bracket would end the label. */
function escapeMermaid(text: string): string {
  return text.replace(/[&"<>#]/g, (c) => `#${c.charCodeAt(0)};`);
}

function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&")}"`;
}
