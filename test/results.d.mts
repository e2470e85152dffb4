/** What became of a test; `suite` is the outermost `describe` around it. */
export interface TestResult {
  readonly suite: string;
  readonly test: string;
  readonly state: "passed" | "failed" | "skipped";
  readonly error?: string;
}
export function collectResults(runner: Mocha.Runner): readonly TestResult[];
