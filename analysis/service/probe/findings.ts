/** @file What a finished probe makes rules say about its model. */
import { checkFile } from "../../fixes/check";
import type { ProbeRecord } from "../../probe/record/record";
import type { Finding } from "../../rules/finding";
import { rules } from "../../rules/registry";
import { checkedFile } from "../checked-file";
import type { LoadedFile, LoadedModel } from "../loaded";

const MEASURED: ReadonlySet<string> = new Set(rules.filter((r) => r.measured).map((r) => r.id));

/** Findings of the rules that judge measures, for one model of a file. */
export function measuredFindings(file: LoadedFile, model: LoadedModel, record: ProbeRecord): Finding[] {
  const { trained: _trained, ...own } = file;
  const checked = checkedFile({ ...own, models: [{ ...model, analysis: model.analysis, probed: () => record }] });
  return checkFile(checked).filter((f) => MEASURED.has(f.rule));
}
