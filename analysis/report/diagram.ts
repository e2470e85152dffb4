/**
 * @file A model's symmetries as a diagram, in Mermaid or Graphviz: channel spaces are nodes, coloured by what acts on them;
 * parameters that have axes in two spaces are edges between them.
 */
import type { ModelAnalysis } from "../symmetry/analysis";
import type { Symmetry } from "../symmetry/symmetry";
import { count, merge, template } from "./words";

/** What acts on a space, coarsely: the strongest kind that does. */
const KINDS = ["linear", "rotation", "rescaling", "scale", "sign", "permutation", "fixed"] as const;
type Kind = (typeof KINDS)[number];

/** Fill and border, readable on light and dark pages. */
const COLOURS: Readonly<Record<Kind, readonly [fill: string, border: string]>> = {
  linear: ["#f6d5a8", "#a8620a"],
  rotation: ["#e3cdf2", "#7a3ea1"],
  rescaling: ["#c6def5", "#1f5f99"],
  scale: ["#cdeed6", "#23733d"],
  sign: ["#f3d3d3", "#9a3434"],
  permutation: ["#e4e4e4", "#5c5c5c"],
  fixed: ["#ffffff", "#5c5c5c"],
};

interface SpaceNode {
  readonly id: string;
  readonly kind: Kind;
  readonly lines: readonly string[];
}

interface Link {
  readonly from: string;
  readonly to: string;
  readonly label: string;
}

interface Diagram {
  readonly name: string;
  readonly nodes: readonly SpaceNode[];
  readonly links: readonly Link[];
}

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
      body.push(n.kind === "fixed" ? `${n.id}(["${text}"]):::fixed` : `${n.id}["${text}"]:::${n.kind}`);
    }
    for (const l of d.links) body.push(`${l.from} ---|"${escapeMermaid(l.label)}"| ${l.to}`);
    if (models.length === 1) out.push(...body.map((line) => `  ${line}`));
    else out.push(`  subgraph m${k} ["${escapeMermaid(m.name)}"]`, ...body.map((line) => `    ${line}`), "  end");
  });
  for (const kind of KINDS) {
    if (!used.has(kind)) continue;
    const [fill, border] = COLOURS[kind];
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
      out.push(`    ${n.id} [label="${label}", fillcolor="${fill}", color="${border}"];`);
    }
    for (const l of d.links) out.push(`    ${l.from} -- ${l.to} [label=${quoted(l.label)}];`);
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
  const nodes: SpaceNode[] = analysis.spaces.map((space, i) => {
    const own = alone.get(i);
    return { id: id(i), kind: kinds[i]!, lines: [`${count(space.size)}: ${space.group}`, ...(own ? [shortened(own)] : [])] };
  });
  if (pinned) nodes.push({ id: fixed, kind: "fixed", lines: ["inputs, outputs, fixed axes"] });
  const links = [...between.values()].map(({ from, to, names }) => ({ from, to, label: shortened(names) }));
  return { name, nodes, links };
}

/** The strongest kind of symmetry on each space. */
function spaceKinds(analysis: ModelAnalysis): Kind[] {
  const strength = (s: Symmetry): number => {
    const at = KINDS.findIndex((k) => k === s.kind);
    return at < 0 ? KINDS.length - 2 : at;
  };
  const best = new Map<number, number>();
  for (const s of analysis.symmetries) {
    for (const space of s.spaces) best.set(space, Math.min(best.get(space) ?? KINDS.length, strength(s)));
  }
  return analysis.spaces.map((s) => KINDS[best.get(s.id) ?? KINDS.length - 2]!);
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
