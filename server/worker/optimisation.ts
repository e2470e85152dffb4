/**
 * @file How eagerly V8 optimises in this process. The first analysis runs thousands of functions a few times each. Optimising
 * them takes other threads more processor time than the analysis itself takes (a file of 1,000 lines: 0.63 s of 1.05 s in all),
 * which is for nothing, and where the machine is busy that time is the user's. So V8 holds back until the first answer.
 */
import { setFlagsFromString } from "node:v8";

/** Bytecode that a function executes before V8 considers it; about V8's own. */
const USUAL_BUDGET = 67_584;

/** Holds back. */
export function optimiseLess(): void {
  setFlagsFromString(`--interrupt-budget=${4 * USUAL_BUDGET}`);
}

/** Ends that. */
export function optimiseAsUsual(): void {
  setFlagsFromString(`--interrupt-budget=${USUAL_BUDGET}`);
}
