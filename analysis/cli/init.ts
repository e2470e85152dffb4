/** @file `noether init`: writes a configuration to start from. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { KEYS } from "../configuration/keys";
import { nearestConfiguration } from "../configuration/read";
import type { InitArguments } from "./arguments/init";
import type { Console } from "./console";
import { EXIT, UsageError } from "./usage";

/** Runs the command in the current folder. @throws UsageError when there is a configuration already */
export function init({ pyproject }: InitArguments, console: Console): number {
  const file = pyproject ? "pyproject.toml" : "noether.toml";
  const before = pyproject && existsSync(file) ? readFileSync(file, "utf8") : "";
  if (pyproject ? /^\s*\[+\s*tool\s*\.\s*noether\b/m.test(before) : existsSync(file)) {
    throw new UsageError(`${file} already configures Noether; edit it, or remove it first`);
  }
  const above = nearestConfiguration(".");
  if (above !== undefined) console.error(`noether: ${above} held here until now; the new file is nearer and replaces it`);
  const text = startingConfiguration(pyproject);
  if (pyproject) appendFileSync(file, `${before === "" || before.endsWith("\n") ? "" : "\n"}${before === "" ? "" : "\n"}${text}`);
  else writeFileSync(file, text);
  console.out(`${file} written. noether check . uses it from now on.`);
  return EXIT.ok;
}

/** Every key with what it means, commented out, so that the file changes nothing until it is edited. */
export function startingConfiguration(pyproject: boolean): string {
  const nested = (example: string): string => (pyproject ? example.replace(/^(\[+)/gm, "$1tool.noether.") : example);
  const sections = Object.values(KEYS)
    // Plain keys belong to the first table, so that they come before tables of their own.
    .sort((a, b) => Number(a.example.startsWith("[")) - Number(b.example.startsWith("[")))
    .map(({ description, example }) => {
      const lines = nested(example)
        .split("\n")
        .map((l) => `# ${l}`);
      return [`# ${description}`, ...lines].join("\n");
    });
  const head = pyproject ? "[tool.noether]" : "# Configuration of Noether; a line without its # takes effect.";
  return `${[head, ...sections].join("\n\n")}\n`;
}
