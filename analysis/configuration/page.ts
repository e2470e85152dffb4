/** @file The page about configuration, from the table of keys. */
import { type ConfigurationKey, KEYS } from "./keys";

/** The page, as Markdown. */
export function configurationPage(): string {
  const sections = Object.entries(KEYS).map(([name, key]) => section(name, key));
  return [
    "# Configuration",
    "The nearest `noether.toml` upwards from a file holds for it, or the nearest `pyproject.toml` with a table `[tool.noether]`, whose keys are the same; of two in one folder `noether.toml` counts. Paths and globs take `/` or, as on Windows, `\\`. Every command follows it. `noether init` writes a file to start from. Configuration is data: nothing of it is ever run. A key that does not exist, or a value of the wrong kind, is an error at its line, and `noether check` exits with 3.",
    "In the editor, `noether.lint.rules` sets severities where no file does, and `noether.lint.configuration` names a file to use instead of the nearest.",
    "A JSON schema is in [noether.schema.json](noether.schema.json).",
    ...sections,
  ].join("\n\n");
}

function section(name: string, { description, example }: ConfigurationKey): string {
  return `## ${name}\n\n${description}\n\n\`\`\`toml\n${example}\n\`\`\``;
}
