/** @file Views of an ONNX file beyond its report: its text with everything that is known line by line, and its drawing. */
import path from "node:path";
import { type Drawing, drawingOf } from "../drawing/drawing";
import { valueSpaces } from "../drawing/value-spaces";
import { type GraphText, graphComment, graphText, type TextPlace } from "../frontends/onnx/text/text";
import type { Node } from "../graph/graph";
import type { SourceRange } from "../graph/source";
import { typesetGroup } from "../report/typeset";
import { count, plural, shortScope } from "../report/words";
import type { Layer } from "../rules/checked";
import type { Severity } from "../rules/finding";
import { hoversOf } from "./hover";
import type { LoadedFile, LoadedModel } from "./loaded";
import type { Finding } from "../rules/finding";

/** A remark on a place of a text. */
export interface TextRemark {
  readonly place: TextPlace;
  readonly rule: string;
  readonly severity: Severity;
  readonly message: string;
}

/** A hover text; links are written `[text](place:0)`, and `links` has the lines that they lead to. */
export interface TextHover {
  readonly place: TextPlace;
  readonly markdown: string;
  readonly links: readonly number[];
}

/** Something with a name in an outline. */
export interface TextSymbol {
  readonly name: string;
  readonly detail: string;
  readonly place: TextPlace;
  readonly lastLine: number;
  /** Module path, by which an outline may group. */
  readonly scope?: string;
}

/** An ONNX file as text. */
export interface OnnxTextView {
  readonly text: string;
  readonly remarks: readonly TextRemark[];
  readonly hovers: readonly TextHover[];
  readonly symbols: readonly TextSymbol[];
  /** Parts that may be folded away. */
  readonly sections: readonly { readonly title: string; readonly first: number; readonly last: number }[];
}

/** A drawn file: its network, and findings at the nodes that they are about. */
export interface DrawnFile {
  readonly drawing: Drawing;
  readonly findings: readonly {
    readonly rule: string;
    readonly severity: Severity;
    readonly message: string;
    /** Index of the drawn node; absent where a finding is about no node. */
    readonly node?: number;
  }[];
}

/** The drawing of a file's model. */
export function drawnFile(model: LoadedModel, findings: readonly Finding[]): DrawnFile {
  const drawing = drawingOf(model.analysis);
  return {
    drawing: { ...drawing, spaces: drawing.spaces.map((s) => ({ ...s, group: typesetGroup(s.group) })) },
    findings: findings.map(({ rule, severity, message, node }) => {
      const drawn = node === undefined ? undefined : drawing.standsFor[node];
      return { rule, severity, message, ...(drawn === undefined ? {} : { node: drawn }) };
    }),
  };
}

/** The text of a file's model. */
export function onnxTextView(file: LoadedFile, model: LoadedModel, findings: readonly Finding[]): OnnxTextView {
  const { graph } = model;
  const comment = `${path.basename(file.file)}: ${graphComment(graph)}`;
  const printed = graphText(graph, { comments: [comment], ...(file.header ? { header: file.header } : {}) });
  const byName = new Map(printed.nodes.map((n) => [n.node.name, n]));
  const top: TextPlace = { line: 0, start: 0, end: comment.length + 2 };
  return {
    text: printed.text,
    remarks: findings.map(({ rule, severity, message, node }) => ({
      place: byName.get(node ?? "")?.operator ?? top,
      rule,
      severity,
      message,
    })),
    hovers: hovers(file.file, model, printed),
    symbols: printed.nodes.map(({ node, operator, lastLine }) => ({
      name: node.name,
      detail: node.operator,
      place: operator,
      lastLine,
      ...(node.origin.scope === undefined ? {} : { scope: node.origin.scope }),
    })),
    sections: printed.sections,
  };
}

/** Hovers of nodes with weights are those of layers; the others say what flows. */
function hovers(file: string, model: LoadedModel, printed: GraphText): TextHover[] {
  const { graph } = model;
  const range = ({ line, start, end }: TextPlace): SourceRange => ({
    file,
    start: { line, column: start },
    end: { line, column: end },
  });
  const layers: Layer[] = [];
  const seen = new Set<string>();
  for (const { node, operator } of printed.nodes) {
    const parameters = node.inputs.filter((i) => graph.parameters.has(i));
    // A weight that two nodes read is told at the first, and at all places where its name stands.
    const own = parameters.filter((p) => !seen.has(p));
    for (const p of own) seen.add(p);
    if (own.length === 0) continue;
    const uses = own.flatMap((p) => (printed.parameters.get(p) ?? []).map(range));
    layers.push({ scope: scopeOf(node), constructor: range(operator), uses, kind: node.operator, parameters: own });
  }
  const told = hoversOf(file, [{ ...model, layers }]);
  const out = told.map(({ range: { start, end }, markdown, links }) => ({
    place: { line: start.line, start: start.column, end: end.column },
    markdown,
    links: links.map((l) => l.start.line),
  }));
  const spaces = valueSpaces(model.analysis);
  const taken = new Set(out.map((h) => `${h.place.line}:${h.place.start}`));
  for (const { node, operator } of printed.nodes) {
    if (taken.has(`${operator.line}:${operator.start}`)) continue;
    out.push({ place: operator, markdown: flowMarkdown(node, model, spaces.of(node.outputs[0] ?? "")), links: [] });
  }
  return out;
}

function scopeOf(node: Node): string {
  return node.origin.scope ?? node.name;
}

function flowMarkdown(node: Node, model: LoadedModel, spaces: readonly number[]): string {
  const { graph, analysis } = model;
  const known = graph.types.get(node.outputs[0] ?? "");
  const shape = known?.shape === undefined ? "of unknown shape" : `\`${known.type}[${known.shape.join(",")}]\``;
  const scope = node.origin.scope === undefined ? "" : ` in \`${shortScope(node.origin.scope)}\``;
  const head = `**\`${node.operator}\`**${scope} · writes ${shape}`;
  const lines = spaces.slice(0, 3).map((id) => {
    const space = analysis.spaces[id]!;
    return `${plural(space.size, "channel")} that ${plural(space.acts.length, "axis", "axes")} of weights share: \`${typesetGroup(space.group)}\``;
  });
  const more = spaces.length > 3 ? [`and ${count(spaces.length - 3)} more`] : [];
  const none = spaces.length === 0 ? ["No channel space runs through it: what it writes is fixed, or not understood."] : [];
  return [head, [...lines, ...more, ...none].join("  \n")].join("\n\n");
}
