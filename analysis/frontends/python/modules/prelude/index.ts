/**
 * @file Short Python stand-ins for parts of well-known packages, written for this evaluator: used where the package's own
 * source is not installed. They compute what the originals compute; nothing of the originals is copied.
 */
import { complexPrelude } from "./complex";
import { geometricPrelude } from "./geometric/index";
import { layersPrelude } from "./layers";
import { functionsPrelude } from "./functions/index";
import { distributionsPrelude } from "./distributions";
import { diffusersPrelude } from "./diffusers";
import { mmcvPrelude } from "./mmcv";
import { timmPrelude } from "./timm";
import { huggingFacePrelude } from "./huggingface/index";
import { lightningPrelude } from "./lightning";
import { attentionPrelude } from "./attention";
import { visionPrelude } from "./vision";

/** A stand-in: the name of its file and its text. */
export interface PreludeFile {
  readonly file: string;
  readonly text: string;
}

const FILES = new Map<string, PreludeFile>();

for (const [name, text] of Object.entries({
  ...attentionPrelude,
  ...timmPrelude,
  ...mmcvPrelude,
  ...diffusersPrelude,
  ...huggingFacePrelude,
  ...lightningPrelude,
  ...visionPrelude,
  ...complexPrelude,
  ...functionsPrelude,
  ...geometricPrelude,
  ...layersPrelude,
  ...distributionsPrelude,
})) {
  FILES.set(name, { file: `<${name}>`, text });
}

/** The stand-in for a module, if there is one. */
export function preludeFile(name: string): PreludeFile | undefined {
  return FILES.get(name);
}

/** The text of a stand-in by its file name. */
export function preludeText(file: string): string | undefined {
  return file.startsWith("<") ? FILES.get(file.slice(1, -1))?.text : undefined;
}
