/** @file The fix for a gain that the next layer can hold: a norm without gain and shift, which starts where they start. */
import { say } from "../texts/say";
import type { DropGain } from "../rules/rule";
import { setToFalse } from "./drop-bias";
import { type Mended, textOf } from "./mended";
import { classifyPython } from "./python-text";

/** Sets `elementwise_affine=False`. */
export function dropGain({ call, scope }: DropGain, text: string): Mended {
  const parameter = "elementwise_affine";
  if (new RegExp(`\\b${parameter}\\b`).test(textOf(text, call))) {
    return { reason: `No fix: ${parameter} is given already; set it to False where that is decided.` };
  }
  // Code that sets or reads gains would not find them any more.
  const kinds = classifyPython(text);
  const attribute = scope.split(".").findLast((p) => !/^\d+$/.test(p)) ?? scope;
  const reader = [...text.matchAll(/(\w+)(?:\[[^\]\n]*\])*\.(?:weight|bias)\b/g)].find(
    (m) => kinds[m.index] === 0 && (m[1] === attribute || !text.includes(`self.${m[1]}`)),
  );
  const line = reader && text.slice(0, reader.index).split("\n").length;
  if (line !== undefined && (reader![1] === attribute || /\b(Layer|RMS)Norm\b/.test(initialisers(text)))) {
    return { reason: `No fix: line ${line} may read the gain; set ${parameter}=False by hand.` };
  }
  const edit = setToFalse({ form: "default", parameter, call }, text);
  if (!edit) return { reason: `No fix: the call could not be read; write ${parameter}=False by hand.` };
  return {
    fix: {
      title: say`Let the next layer hold the gain of \`${attribute}\`: ${parameter}=False`,
      // Trained gains are numbers of a checkpoint, which an edit of source does not see.
      exact: false,
      note: say`starts the same; gains of a trained checkpoint have to be folded into the weights`,
      edits: [edit],
    },
  };
}

/** The questions that initialisation asks of modules. */
function initialisers(text: string): string {
  return (text.match(/\bisinstance\([^\n]*/g) ?? []).join("\n");
}
