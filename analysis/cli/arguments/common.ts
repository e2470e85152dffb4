/** @file What the arguments of several commands have in common. */
import { meant } from "../../configuration/nearest";
import { parseArgs, type ParseArgsConfig } from "node:util";
import { UsageError } from "../usage";

/** What parseArgs makes of options. */
type Parsed<T extends NonNullable<ParseArgsConfig["options"]>> = ReturnType<
  typeof parseArgs<{ args: string[]; options: T; allowPositionals: true; strict: true }>
>;

/** parseArgs with its errors as UsageErrors that name a near option. */
export function parsed<T extends NonNullable<ParseArgsConfig["options"]>>(args: readonly string[], options: T): Parsed<T> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const wrong = /'(-[^']*)'/.exec(text)?.[1]?.split(/[ =]/)[0];
    const names = Object.keys(options).map((o) => `--${o}`);
    if (wrong !== undefined && /unknown option/i.test(text)) throw new UsageError(`no option ${wrong}${meant(wrong, names)}`);
    throw new UsageError(text.split(". ")[0]!);
  }
}

/** The one target of a command, FILE or FILE::CLASS. `needed`: what to name where none is. @throws UsageError */
export function target(
  command: string,
  positionals: readonly string[],
  needed = "a .py file, FILE.py::Class or an .onnx file",
): readonly [file: string, className: string | undefined] {
  const [one, ...more] = positionals;
  if (one === undefined) throw new UsageError(`${command} needs a FILE: ${needed}`);
  if (more.length > 0) throw new UsageError(`${command} takes one FILE, and not ${more.join(" ")} as well`);
  return splitTarget(one);
}

/** `net.py::Net` as a file and a class; a drive letter's colon is single. */
export function splitTarget(target: string): readonly [file: string, className: string | undefined] {
  const at = target.lastIndexOf("::");
  if (at < 0) return [target, undefined];
  const className = target.slice(at + 2);
  if (className === "") throw new UsageError(`${target} names no class behind ::`);
  return [target.slice(0, at), className];
}

/** `8x3x32x32` as a shape. */
export function shape(text: string): number[] {
  const sizes = text.split(/[x×,]/i).map((s) => s.trim());
  if (sizes.some((s) => !/^[1-9]\d{0,8}$/.test(s))) {
    throw new UsageError(`--input is a shape such as 8x3x32x32 (sizes from 1 on, joined by x), not ${text}`);
  }
  return sizes.map(Number);
}

/** A whole number; undefined where the option is not given. @throws UsageError */
export function whole<T extends string | undefined>(option: string, text: T, least?: number): NumberOf<T>;
export function whole(option: string, text: string | undefined, least = 1): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text) || Number(text) < least) {
    throw new UsageError(`${option} is a whole number from ${least} on, not ${text}`);
  }
  return Number(text);
}

/** A number from 0 on; undefined where the option is not given. @throws UsageError */
export function number<T extends string | undefined>(option: string, text: T): NumberOf<T>;
export function number(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0) {
    throw new UsageError(`${option} is a number from 0 on, not ${text}`);
  }
  return value;
}

/** What reading an option gives that may be absent. */
type NumberOf<T> = T extends string ? number : number | undefined;
