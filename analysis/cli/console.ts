/** @file Where a command writes, and what it knows of its surroundings. */

/** Where a run writes, and what it knows of its surroundings. */
export interface Console {
  out(text: string): void;
  error(text: string): void;
  /** Writes to standard output as it is, without a line end; absent where only lines are taken. */
  write?(text: string): void;
  readonly isTTY: boolean;
  readonly columns: number | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The program's own file, to start threads of; absent where it runs inside another program. */
  readonly program?: string;
}
