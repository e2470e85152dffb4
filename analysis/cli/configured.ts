/** @file What the configuration of one file says to commands that read one file. */
import { existsSync } from "node:fs";
import path from "node:path";
import type { Configuration } from "../configuration/configuration";
import type { ConfigurationProblem } from "../configuration/validate";
import type { LoadOptions } from "../service/loaded";
import { UsageError } from "./usage";

/** A configuration is wrong; ends the program with exit code 3. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
  constructor(readonly problems: readonly ConfigurationProblem[]) {
    super(problems.map(problemLine).join("\n"));
  }
}

/** A mistake with its place. */
export function problemLine({ message, range }: ConfigurationProblem): string {
  return `${range.file}:${range.start.line + 1}:${range.start.column + 1}: ${message}`;
}

/**
 * What holds for a file. `named`: a configuration file instead of the one that is found, or false for none.
 * @throws ConfigurationError, and UsageError where the named file is not there
 */
export async function configurationOf(file: string, named?: string | false): Promise<Configuration> {
  if (typeof named === "string" && !existsSync(named)) {
    throw new UsageError(`${named} does not exist; name a configuration file, or use --no-config`);
  }
  const { nearestConfiguration } = await import("../configuration/read");
  const { DEFAULT_CONFIGURATION } = await import("../configuration/configuration");
  // Most files have none; then the rules are not loaded for it.
  if (named === false || (named === undefined && nearestConfiguration(path.resolve(file)) === undefined)) {
    return DEFAULT_CONFIGURATION;
  }
  const { Configured } = await import("../service/configured");
  const configured = new Configured(named === undefined ? {} : { configuration: named });
  const { configuration, problems } = configured.configurationFor(path.resolve(file));
  if (problems.length > 0) throw new ConfigurationError(problems);
  return configuration;
}

/** How the configuration says that classes of a file are made. @throws ConfigurationError */
export async function configuredCalls(file: string): Promise<Pick<LoadOptions, "calls">> {
  const { models } = await configurationOf(file);
  return models.length > 0 ? { calls: models } : {};
}
