/** @file What a report of a problem says: versions, settings and timings; no code, no names of files. */
import type { ServerInformation } from "../server/protocol";

/** What is known of the editor and of the server. */
export interface ProblemFacts {
  readonly extension: string;
  readonly editor: string;
  /** `desktop` or `web`, and the kind of remote. */
  readonly host: string;
  readonly platform: string;
  readonly trusted: boolean;
  readonly folders: number;
  /** Settings that differ from their defaults. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly status: string;
  /** Undefined where the server does not answer. */
  readonly server?: ServerInformation;
  /** Milliseconds of the last analyses, the latest last. */
  readonly milliseconds: readonly number[];
}

/** The report as Markdown. */
export function problemReport(facts: ProblemFacts): string {
  const { milliseconds, server } = facts;
  const sorted = [...milliseconds].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  const rows: readonly (readonly [string, string])[] = [
    ["Noether", facts.extension],
    ["VS Code", facts.editor],
    ["Host", facts.host],
    ["Platform", facts.platform],
    ["Workspace", `${facts.trusted ? "trusted" : "not trusted"}, ${facts.folders} folders`],
    ["Status", facts.status],
    [
      "Server",
      server
        ? `Node ${server.node}, ${server.documents} documents open, ${server.megabytes.toFixed(0)} MB, up for ${(server.uptime / 60).toFixed(0)} min`
        : "does not answer",
    ],
    [
      "Analyses",
      median === undefined
        ? "none yet"
        : `${milliseconds.length}, median ${median.toFixed(1)} ms, longest ${sorted.at(-1)!.toFixed(1)} ms`,
    ],
  ];
  return `# A problem with Noether

What did you do, what did you expect, and what happened instead?



A model that shows it, as small as you can make it (only if you may share it):

\`\`\`python

\`\`\`

## Where it happened

Nothing below contains code or names of files. The output channel Noether may say more.

| | |
| --- | --- |
${rows.map(([what, value]) => `| ${what} | ${value.replaceAll("|", "\\|")} |`).join("\n")}

Settings that differ from their defaults:

\`\`\`json
${JSON.stringify(withoutPaths(facts.settings), undefined, 2)}
\`\`\`
`;
}

/** Texts that may name places of the user are left out; names of rules, levels and switches are not. */
function withoutPaths(value: unknown): unknown {
  if (typeof value === "string") return /[\\/.:~]/.test(value) ? "(set)" : value;
  if (Array.isArray(value)) return value.map(withoutPaths);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withoutPaths(member)]));
}
