/** @file The fix for constant initialisation: the same call with a distribution. */
import { say } from "../texts/say";
import type { SourceRange } from "../graph/source";
import type { TextEdit } from "../rules/finding";
import type { RandomStart } from "../rules/rule";
import { type Mended, textOf } from "./mended";
import { callArguments, classifyPython, lineStarts, offsetAt, positionAt } from "./python-text";

const INITIALISER = /^((?:[A-Za-z_]\w*\.)*)(zeros_|ones_|constant_)\s*\(/;
/** `self.w = nn.Parameter(torch.zeros(3, 4))`, or the inner call alone. */
const FACTORY = /\b(torch\.)(zeros|ones)\s*\(/;

/** Replaces `init.zeros_(w)` by Kaiming's uniform distribution, and `torch.zeros(...)` in a parameter by small normal numbers. */
export function randomStart({ calls, vectors = false }: RandomStart, text: string): Mended {
  const edits: TextEdit[] = [];
  for (const range of calls) {
    const edit = editOf(range, text, vectors);
    if (!edit) return { reason: "No fix: how the weights are set could not be read; draw them at random instead." };
    edits.push(...edit);
  }
  if (edits.length === 0) return { reason: "No fix: where the weights are set is not known; draw them at random." };
  return { fix: { title: say`Draw the weights at random`, exact: true, note: say`units start apart`, edits } };
}

function editOf(range: SourceRange, text: string, vectors: boolean): TextEdit[] | undefined {
  const source = textOf(text, range);
  const starts = lineStarts(text);
  const begin = offsetAt(starts, range.start, text.length);
  const at = (from: number, to: number): SourceRange => ({
    file: range.file,
    start: positionAt(starts, begin + from),
    end: positionAt(starts, begin + to),
  });
  const found = callArguments(source, classifyPython(source), 0, source.length);
  if (!found) return undefined;
  const init = INITIALISER.exec(source);
  if (init) {
    const target = firstArgument(source.slice(found.open, found.close));
    // Further calls around it, and arguments that are not just the tensor, are left to the author.
    if (target === undefined || init[0].length !== found.open) return undefined;
    return [
      {
        range: at(0, source.length),
        newText: `${init[1]}${vectors ? `normal_(${target}, std=0.02)` : `kaiming_uniform_(${target}, a=5**0.5)`}`,
      },
    ];
  }
  const factory = FACTORY.exec(source);
  if (!factory) return undefined;
  const inner = factory.index + factory[0].length;
  const close = closing(source, inner);
  if (close === undefined) return undefined;
  const name = factory.index + factory[1]!.length;
  return [
    { range: at(name, name + factory[2]!.length), newText: "randn" },
    { range: at(close + 1, close + 1), newText: " * 0.02" },
  ];
}

/** The tensor of an initialiser's arguments. */
function firstArgument(list: string): string | undefined {
  const kinds = classifyPython(list);
  let depth = 0;
  for (let i = 0; i < list.length; i++) {
    if (kinds[i] === 2) return undefined;
    if (kinds[i] !== 0) continue;
    if ("([{".includes(list[i]!)) depth++;
    else if (")]}".includes(list[i]!)) depth--;
    else if (depth === 0 && list[i] === ",") return plain(list.slice(0, i));
  }
  return plain(list);
}

function plain(argument: string): string | undefined {
  const text = argument.trim().replace(/^tensor\s*=\s*/, "");
  return text === "" || /^\*|^\w+\s*=[^=]/.test(text) ? undefined : text;
}

/** The offset of the bracket that closes what was opened before `from`. */
function closing(source: string, from: number): number | undefined {
  const kinds = classifyPython(source);
  let depth = 1;
  for (let i = from; i < source.length; i++) {
    if (kinds[i] !== 0) continue;
    if ("([{".includes(source[i]!)) depth++;
    else if (")]}".includes(source[i]!) && --depth === 0) return i;
  }
  return undefined;
}
