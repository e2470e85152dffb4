/** @file What a verification of fixes says, for a terminal and as JSON. */
import type { Style } from "./style";

/** A value with its standard error over replicas. */
interface Estimate {
  readonly value: number | null;
  readonly error: number | null;
  readonly replicas: number;
}

/** As much of a verification as is told (service/fixes/verify.ts). */
export interface ToldVerification {
  readonly model: string;
  readonly steps: number;
  readonly replicas: number;
  readonly fixes: readonly {
    readonly id: string;
    readonly title: string;
    readonly exact: boolean;
    readonly outcome: "better" | "worse" | "none" | "unmeasured";
    readonly reason?: string;
    readonly notes: readonly string[];
    readonly changes: readonly {
      readonly what: string;
      readonly difference: Estimate;
      readonly significant: boolean;
    }[];
  }[];
}

/** One sentence on what was measured of a fix. */
function outcomeSentence(fix: ToldVerification["fixes"][number]): string {
  switch (fix.outcome) {
    case "better":
      return "measures better";
    case "worse":
      return "measures worse";
    case "none":
      return "no measurable difference";
    case "unmeasured":
      return `not measured: ${fix.reason ?? "it could not be trained"}`;
  }
}

/** The report as lines. */
export function verificationText(v: ToldVerification, style: Style): string {
  const lines = [style.title(`${v.model}: with each fix against without it`)];
  if (v.steps > 0) {
    lines.push(
      style.quiet(
        `${v.steps} steps, ${v.replicas} ${v.replicas === 1 ? "replica" : "replicas"}, paired: same data and seeds; * differs at 5%`,
      ),
    );
  }
  for (const fix of v.fixes) {
    const sentence = outcomeSentence(fix);
    const shown = fix.outcome === "worse" ? style.bad(sentence) : fix.outcome === "better" ? style.good(sentence) : sentence;
    lines.push("", `${style.title(fix.id)}: ${shown}`, style.quiet(`  ${fix.title}`));
    for (const { what, difference, significant } of fix.changes) {
      lines.push(`  ${what.padEnd(28)} ${signed(difference)}${significant ? " *" : ""}`);
    }
    lines.push(...fix.notes.map((n) => style.quiet(`  note: ${n}`)));
  }
  return lines.join("\n");
}

function signed({ value, error, replicas }: Estimate): string {
  if (value === null) return "not measured";
  const short = (x: number): string => {
    const size = Math.abs(x);
    return size !== 0 && (size < 1e-3 || size >= 1e5) ? x.toExponential(1) : String(Number(x.toPrecision(3)));
  };
  const head = `${value > 0 ? "+" : ""}${short(value)}`;
  return error === null ? `${head} (${replicas < 2 ? "one replica" : "no error"})` : `${head} ± ${short(error)}`;
}
