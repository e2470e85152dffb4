/**
 * @file Shapes that the author wrote down for forward's arguments: annotations of jaxtyping and torchtyping, comments such as
 * `# x: (B, T, C)`, docstrings of Google's, NumPy's and PyTorch's style. They are believed first; where code contradicts them, the
 * code is right.
 */
import type { Chunk } from "../parser/document";
import type { Expr, Param } from "../parser/syntax";
import type { FunctionValue } from "../values/value";

/** One size: a number, or what it is called. */
export type Dimension = number | string;

/** What is written of one argument. */
export interface DocumentedShape {
  readonly dimensions: readonly Dimension[];
  /** Whether the annotation says that it holds whole numbers. */
  readonly integer: boolean;
}

/** Names of axes that examples run along. */
export const BATCH_AXIS = /^(?:b|n|bs|bsz|nb|batch|batches|batch_?size|num_samples|n_samples)$/i;

/** Names of axes that steps, tokens or nodes of a sequence run along. */
export const STEP_AXIS =
  /^(?:t|l|s|seq|seq_?len(?:gth)?|sequence|sequence_length|length|len|time|steps|n_?steps|tokens|n_tokens)$/i;

/** Names of height and width. */
export const SPATIAL_AXIS = /^(?:h|w|height|width|h_?in|w_?in|img_?size|image_size)$/i;

/** Names of an image's channels. */
export const CHANNEL_AXIS = /^(?:c|ch|c_?in|channels?|in_channels|num_channels|n_channels)$/i;

const KINDS = /^(?:Float|Int|UInt|Integer|Bool|Num|Shaped|Inexact|Real|Complex|BFloat)\d*$/;
const WHOLE = /^(?:Int|UInt|Integer)\d*$/;

/** Words in brackets that are types or remarks, not sizes. */
const NO_SIZE =
  /^(?:tensor|optional|default|int|float|bool|str|none|list|tuple|dict|any|callable|longtensor|floattensor|ndarray|array|required)$/i;

/** The shapes that are written down for parameters of a function, by name. */
export function documentedShapes(f: FunctionValue, params: readonly Param[]): ReadonlyMap<string, DocumentedShape> {
  const out = new Map<string, DocumentedShape>();
  const named = params.filter((p) => p.form !== "star" && p.form !== "doubleStar");
  for (const p of named) {
    const found = annotated(p.annotation);
    if (found) out.set(p.name, found);
  }
  const texts = writtenTexts(f);
  for (const p of named) {
    if (out.has(p.name)) continue;
    for (const text of texts) {
      const found = written(text, p.name, named);
      if (!found) continue;
      out.set(p.name, found);
      break;
    }
  }
  // `- Input: (N, C, H, W)` and a lone `# (B, T, C)` are of the one argument there is.
  const [only] = named.filter((p) => !p.defaultValue);
  if (only && named.filter((p) => !p.defaultValue).length === 1 && !out.has(only.name)) {
    for (const text of texts) {
      const found = written(text, "Input", named) ?? written(text, "Inputs", named) ?? loneComment(text);
      if (!found) continue;
      out.set(only.name, found);
      break;
    }
  }
  return out;
}

/** `Float[Tensor, "batch 3 32 32"]`, `TensorType["batch", 3, 32]`, bare or within Optional and the like. */
function annotated(x: Expr | undefined): DocumentedShape | undefined {
  if (x?.kind !== "Subscript") return undefined;
  const name = x.object.kind === "Name" ? x.object.id : x.object.kind === "Attribute" ? x.object.name : "";
  const items = itemsOf(x.index);
  const last = items.at(-1);
  if (KINDS.test(name) && items.length > 1 && last?.kind === "String")
    return shapeOf(last.value.trim().split(/\s+/), WHOLE.test(name));
  if (name === "TensorType") {
    const sizes = items.flatMap((i) => (i.kind === "String" ? [i.value] : i.kind === "Number" ? [String(i.value)] : []));
    return sizes.length > 0 ? shapeOf(sizes, false) : undefined;
  }
  if (/^(?:Optional|Union|Annotated)$/.test(name)) for (const i of items) if (annotated(i)) return annotated(i);
  return undefined;
}

/** What stands in the brackets of an annotation, which the parser leaves as it is where it looks like types. */
function itemsOf(x: Expr): readonly Expr[] {
  if (x.kind === "Tuple") return x.items.flatMap(itemsOf);
  return x.kind === "Broken" ? x.parts.flatMap(itemsOf) : [x];
}

/** Sizes as they are written; undefined where one is none. Axes of any number stand for the batch, or for none beside one. */
function shapeOf(items: readonly string[], integer: boolean): DocumentedShape | undefined {
  const dimensions: Dimension[] = [];
  for (const item of items) {
    const text = item.replace(/^[#?_]+(?=\w)/, "").replace(/^\w+=(?=\d)/, "");
    if (/^(?:\*\w*|\.\.\.|…)$/.test(text)) {
      if (dimensions.length === 0) dimensions.push("batch");
      continue;
    }
    if (NO_SIZE.test(text) || text.startsWith("torch.")) return undefined;
    if (/^\d+$/.test(text)) dimensions.push(Number(text));
    else if (/^[A-Za-z_]\w*'?(?: \w+){0,2}(?:\s*[-+*/]+\s*\w+)*$/.test(text)) dimensions.push(text.replace(/ /g, "_"));
    else return undefined;
  }
  const isShape = dimensions.length > 0 && dimensions.length <= 5 && dimensions.every((d) => typeof d === "string" || d > 0);
  return isShape ? { dimensions, integer } : undefined;
}

const TEXTS = new WeakMap<object, readonly string[]>();

/** Where shapes may be written: the function's head with its comments and docstring, then its class's docstring. */
function writtenTexts(f: FunctionValue): readonly string[] {
  const { definition, chunk, owner } = f;
  if (!definition) return [];
  const known = TEXTS.get(definition);
  if (known) return known;
  const texts = [headOf(chunk, definition.s, definition.body)];
  if (owner?.chunk === chunk) {
    const from = new RegExp(`^\\s*class\\s+${owner.name}\\b[^\\n]*:[^\\n]*\\n\\s*[rRuU]?("""|''')([\\s\\S]*?)\\1`, "m").exec(
      chunk.text,
    );
    if (from) texts.push(from[2]!);
  }
  const plain = texts.map((t) => t.replace(/\\(?:text|mathrm|math)?|[{}`$]|:math:/g, ""));
  TEXTS.set(definition, plain);
  return plain;
}

/** From the name of a function up to the first statement that is not its docstring. */
function headOf({ text }: Chunk, start: number, body: FunctionValue["body"]): string {
  if (!Array.isArray(body)) return "";
  const [first, second] = body as readonly { s: number; e: number; kind: string; value?: Expr }[];
  const isDocstring = first?.kind === "Expression" && first.value?.kind === "String";
  const end = isDocstring ? (second?.s ?? first.e) : (first?.s ?? start);
  return text.slice(start, end);
}

const BRACKETS = /[([]\s*([^()[\]\n]{1,80}?)\s*,?\s*[)\]]/g;
const CROSSES = /\b([A-Z][A-Za-z]?\w{0,3}|\d+)((?:\s*(?: x |×|\*)\s*(?:[A-Z]\w{0,5}|\d+)){1,4})(?=[\s.,;)]|$)/;

/** The first sizes in brackets, or `B x C x H x W`, in a piece of text. */
function sizesIn(text: string): DocumentedShape | undefined {
  const integer = /LongTensor|\bint(?:64|eger)?s?\b|\bindices\b|\btoken ids\b/i.test(text);
  for (const m of text.matchAll(BRACKETS)) {
    const items = m[1]!.split(",").map((s) => s.trim());
    if (items.length < 2 && !/,\s*[)\]]$/.test(m[0])) continue;
    const found = shapeOf(items, integer);
    if (found) return found;
  }
  const crossed = CROSSES.exec(text);
  if (!crossed) return undefined;
  return shapeOf(
    `${crossed[1]}${crossed[2]}`.split(/ x |×|\*/).map((s) => s.trim()),
    integer,
  );
}

/** Lines up to which what is said of an argument goes on. */
const MOST_LINES = 3;

/** What a text says of an argument: behind its name and a colon, or in a comment at the end of its line. */
function written(text: string, name: string, params: readonly Param[]): DocumentedShape | undefined {
  const lines = text.split("\n");
  const introduces = (line: string, of: string): number => {
    const m = new RegExp(`^(?:.*#)?\\s*[-*:]*\\s*(?:param\\s+)?(?:\\w+\\s+)?(?<![\\w.])${of}\\s*(?:\\([^)]*\\)\\s*)?[:=]`).exec(
      line,
    );
    return m ? m[0].length : -1;
  };
  for (let k = 0; k < lines.length; k++) {
    const line = lines[k]!;
    const at = introduces(line, name);
    if (at < 0) continue;
    // Sizes may stand between the name and the colon: `x (Tensor of shape (B, C)): ...`.
    const begin = Math.max(0, line.slice(0, at).lastIndexOf(name));
    const behind = [line.slice(begin)];
    for (let more = k + 1; more < lines.length && behind.length < MOST_LINES; more++) {
      const isOther = params.some((p) => p.name !== name && introduces(lines[more]!, p.name) >= 0);
      if (isOther || /^\s*(?:Returns?|Outputs?|Raises|Args|"""|''')/.test(lines[more]!) || lines[more]!.trim() === "") break;
      behind.push(lines[more]!);
    }
    // Default values and annotations of the head are no shapes: there, only comments count.
    const isCode = !line.slice(0, at).includes("#") && (/^\s*(?:async\s+)?def\b/.test(line) || /,\s*#/.test(line));
    const found = sizesIn(isCode ? line.slice(at).replace(/^[^#]*/, "") : behind.join(" "));
    if (found) return found;
  }
  return undefined;
}

/** A comment that is nothing but sizes, by itself or behind the head. */
function loneComment(text: string): DocumentedShape | undefined {
  const m = /#\s*(?:\w+ )?([([][^()[\]\n]+[)\]])\s*$/m.exec(text);
  return m ? sizesIn(m[1]!) : undefined;
}
