/** @file Findings as SARIF 2.1.0, the format of code scanning services. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { SourceRange } from "../graph/source";
import type { Finding, Severity } from "../rules/finding";
import { sortFindings } from "./findings";

/** What SARIF says of a rule. */
export interface SarifRule {
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  readonly category: string;
  readonly documentation: { readonly what: string; readonly why: string };
  /** Page with the documentation. */
  readonly helpUri?: string;
}

/** A finding that a comment silenced, with the reason that stands there. */
export interface SarifSilenced {
  readonly finding: Finding;
  readonly reason: string;
}

/** What a SARIF log is made of. */
export interface SarifInput {
  readonly version: string;
  readonly rules: readonly SarifRule[];
  readonly findings: readonly Finding[];
  readonly silenced: readonly SarifSilenced[];
  /** Files that could not be analysed, and why. */
  readonly failures: readonly { readonly file: string; readonly message: string }[];
  /** Absolute path of the folder that places are relative to. */
  readonly root: string;
}

const LEVELS = { error: "error", warning: "warning", info: "note", hint: "note" } as const;

/** The log. */
export function sarifLog(input: SarifInput): object {
  const { findings, failures, root, rules, silenced, version } = input;
  const used = [...rules];
  for (const f of [...findings, ...silenced.map((s) => s.finding)]) {
    if (used.some((r) => r.id === f.rule)) continue;
    const what = f.message.split("\n")[0]!;
    used.push({ id: f.rule, title: f.rule, severity: f.severity, category: "suppressions", documentation: { what, why: "" } });
  }
  const index = new Map(used.map((r, i) => [r.id, i]));
  const print = new Fingerprints();
  const result = (f: Finding, suppressions?: readonly object[]): object => ({
    ruleId: f.rule,
    ruleIndex: index.get(f.rule),
    level: LEVELS[f.severity],
    message: { text: f.message },
    locations: [location(f, root)],
    ...(f.related.length === 0
      ? {}
      : {
          relatedLocations: f.related.map(({ label, range }, id) => ({
            id,
            message: { text: label },
            physicalLocation: physical(range.file, root, range),
          })),
        }),
    partialFingerprints: { "noether/v1": print.of(f, root) },
    ...(suppressions ? { suppressions } : {}),
    properties: { symmetry: f.symmetry },
    ...(f.fixes.length === 0 ? {} : { fixes: f.fixes.filter((fix) => fix.edits.length > 0).map((fix) => sarifFix(fix, root)) }),
  });
  return {
    $schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: { name: "Noether", semanticVersion: version, version, rules: used.map(reportingDescriptor) },
        },
        columnKind: "utf16CodeUnits",
        originalUriBaseIds: { ROOT: { uri: `${pathToFileURL(root).href.replace(/\/$/, "")}/` } },
        invocations: [
          {
            executionSuccessful: failures.length === 0,
            toolExecutionNotifications: failures.map(({ file, message }) => ({
              level: "error",
              message: { text: message },
              locations: [{ physicalLocation: physical(file, root) }],
            })),
          },
        ],
        results: [
          ...sortFindings(findings).map((f) => result(f)),
          ...silenced.map(({ finding, reason }) =>
            result(finding, [{ kind: "inSource", ...(reason === "" ? {} : { justification: reason }) }]),
          ),
        ],
      },
    ],
  };
}

function reportingDescriptor(rule: SarifRule): object {
  const { what, why } = rule.documentation;
  return {
    id: rule.id,
    name: rule.id.replace(/(^|-)(\w)/g, (_, __, c: string) => c.toUpperCase()),
    shortDescription: { text: rule.title },
    fullDescription: { text: what },
    help: { text: why === "" ? what : `${what}\n\n${why}` },
    ...(rule.helpUri === undefined ? {} : { helpUri: rule.helpUri }),
    defaultConfiguration: { level: LEVELS[rule.severity] },
    properties: { tags: [rule.category] },
  };
}

function sarifFix(fix: Finding["fixes"][number], root: string): object {
  const files = [...new Set(fix.edits.map((e) => e.range.file))];
  return {
    description: { text: fix.title },
    artifactChanges: files.map((file) => ({
      artifactLocation: artifact(file, root),
      replacements: fix.edits
        .filter((e) => e.range.file === file)
        .map((e) => ({ deletedRegion: region(e.range), insertedContent: { text: e.newText } })),
    })),
  };
}

function location(f: Finding, root: string): object {
  return {
    physicalLocation: physical(f.file, root, f.range),
    ...(f.node === undefined ? {} : { logicalLocations: [{ name: f.node, kind: "element" }] }),
  };
}

function physical(file: string, root: string, range?: SourceRange): object {
  return { artifactLocation: artifact(range?.file ?? file, root), ...(range ? { region: region(range) } : {}) };
}

function artifact(file: string, root: string): object {
  const relative = path.relative(root, path.resolve(file)).split(path.sep).join("/");
  if (relative.startsWith("..") || path.isAbsolute(relative)) return { uri: pathToFileURL(path.resolve(file)).href };
  return { uri: relative.split("/").map(encodeURIComponent).join("/"), uriBaseId: "ROOT" };
}

function region({ start, end }: SourceRange): object {
  return { startLine: start.line + 1, startColumn: start.column + 1, endLine: end.line + 1, endColumn: end.column + 1 };
}

/**
 * Identities of findings that survive edits elsewhere in a file: rule, file, the text of the lines, and which of several
 * equal ones it is.
 */
export class Fingerprints {
  readonly #texts = new Map<string, readonly string[]>();
  readonly #seen = new Map<string, number>();

  /** 32 hexadecimal digits. Ask in the order in which findings stand in the file. */
  of(f: Finding, root: string): string {
    const file = path.relative(root, path.resolve(f.file)).split(path.sep).join("/");
    const where = f.range ? this.#lines(f.range).join("\n") : `${f.node ?? ""} ${f.message}`;
    const key = `${f.rule}\n${file}\n${where}`;
    const nth = this.#seen.get(key) ?? 0;
    this.#seen.set(key, nth + 1);
    return createHash("sha256").update(`${key}\n${nth}`).digest("hex").slice(0, 32);
  }

  #lines({ file, start, end }: SourceRange): string[] {
    let text = this.#texts.get(file);
    if (!text) {
      try {
        text = readFileSync(file, "utf8").split(/\r?\n/);
      } catch {
        text = [];
      }
      this.#texts.set(file, text);
    }
    return text.slice(start.line, end.line + 1).map((line) => line.trim());
  }
}
