/** @file The settings that the server reads, and their defaults. */
import type { Settings } from "./protocol";

export const DEFAULT_SETTINGS: Settings = {
  enable: true,
  lint: { run: "onType", configuration: "", rules: {} },
  certify: "idle",
  codeLens: true,
  inlayHints: false,
};

/** Settings as a client sent them; whatever is missing or of another kind takes its default. */
export function parseSettings(value: unknown): Settings {
  const given = record(value);
  const { configuration, rules, run } = record(given["lint"]);
  const severities = Object.entries(record(rules)).filter((e): e is [string, string] => typeof e[1] === "string");
  return {
    enable: typeof given["enable"] === "boolean" ? given["enable"] : DEFAULT_SETTINGS.enable,
    lint: {
      run: run === "onSave" || run === "onType" ? run : DEFAULT_SETTINGS.lint.run,
      configuration: typeof configuration === "string" ? configuration : DEFAULT_SETTINGS.lint.configuration,
      rules: Object.fromEntries(severities),
    },
    codeLens: typeof given["codeLens"] === "boolean" ? given["codeLens"] : DEFAULT_SETTINGS.codeLens,
    inlayHints: typeof given["inlayHints"] === "boolean" ? given["inlayHints"] : DEFAULT_SETTINGS.inlayHints,
    certify: given["certify"] === "never" || given["certify"] === "idle" ? given["certify"] : DEFAULT_SETTINGS.certify,
  };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
