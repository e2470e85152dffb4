/** @file A process of `noether check`: lints the files that its parent sends and answers with their reports. */
import { Linter } from "../service/linter";
import { inTurn, type PartRequest } from "./reports";

/** Answers one request and ends. */
export function servePart(): void {
  process.once("message", ({ args, files }: PartRequest) => {
    const linter = new Linter({
      ...(args.configuration === undefined ? {} : { configuration: args.configuration }),
      over: args.rules,
    });
    void inTurn(files, linter).then((reports) => process.send!(reports, () => process.disconnect()));
  });
}
