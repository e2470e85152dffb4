// `npm run corpus`: precision and recall of the rules on the labelled snippets of testFixtures/corpus.
import { scores } from "../analysis/service/testing/corpus";
import { claimedOf, facts } from "../analysis/symmetry/testing/facts";

const all = await scores();
const row = (...cells: readonly (string | number)[]) =>
  console.log(cells.map((c, i) => (i === 0 ? String(c).padEnd(30) : String(c).padStart(10))).join(""));
const share = (n: number, of: number) => (of === 0 ? "-" : (n / of).toFixed(3));
row("rule", "positive", "negative", "labelled", "found", "right", "precision", "recall");
for (const s of all)
  row(s.rule, s.positive, s.negative, s.labelled, s.found, s.right, share(s.right, s.found), share(s.right, s.labelled));
const sum = (of: (s: (typeof all)[number]) => number) => all.reduce((n, s) => n + of(s), 0);
const [found, right, labelled] = [sum((s) => s.found), sum((s) => s.right), sum((s) => s.labelled)];
row(
  "all",
  sum((s) => s.positive),
  sum((s) => s.negative),
  labelled,
  found,
  right,
  share(right, found),
  share(right, labelled),
);
const agreed = facts.filter((f) => claimedOf(f.symmetry).claimed === f.holds).length;
console.log(`\noperator facts: ${agreed} of ${facts.length} (what holds is claimed, what does not is refused)`);
// No false finding, and nine of ten that are there.
process.exitCode =
  agreed === facts.length &&
  right === found &&
  all.every((s) => s.labelled === 0 || s.right >= 0.8 * s.labelled) &&
  right >= 0.9 * labelled
    ? 0
    : 1;
