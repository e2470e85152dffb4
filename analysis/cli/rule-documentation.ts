/** @file What is generated from the registry of rules: their pages, the table in the README, the settings of the extension. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { checkFile } from "../fixes/check";
import { rulePage, rulesIndex, ruleTable } from "../rules/page";
import { rules } from "../rules/registry";
import type { Rule } from "../rules/rule";
import { checkedFile } from "../service/checked-file";
import { Loader } from "../service/models";

const FOLDER = path.join("docs", "rules");
const TABLE = /(<!-- rules -->\n)[^]*?(<!-- end of rules -->)/;

/**
 * What fires on code that was not written for this: counted with `noether check` on Debian's packages of torchvision 0.14 (its
 * folder of models), torchaudio, torchtext, skorch, eagerpy and InVesalius, on copies of published research models, and on a
 * single-file GPT with parameter groups.
 */
const REAL_CODE = [
  "On the folder `models` of torchvision 0.14, 146 classes in 57 files, nothing is reported as an error, warning or remark. Hints, 32: a layer",
  "norm takes off the mean of a bias (`inert-direction-before-norm`, 10), gains that only linear layers read (`foldable-norm-gain`, 19)",
  "in its transformers, ConvNeXt, MobileNetV2, MNASNet and ShuffleNetV2, and values' biases (`absorbed-value-bias`, 3). On Debian's",
  "torchaudio, torchtext, skorch and eagerpy nothing is reported at all. On InVesalius, two warnings: a factory gives every convolution",
  "of its 3-D U-Net a bias before a batch norm. On DETR, MAE, DiT, Llama and PointNet, as published, eight warnings: PointNet's biases before",
  "its batch norms. All ten are right, and their fixes leave the function as it is. On a GPT in one file that decays matrices only, one remark",
  "states the threshold of `attention-product-decay`; with all parameters in one group, `decay-on-norm` warns once.",
].join("\n");

/** All generated files by path, relative to the repository's root, which must be the current folder. */
export async function ruleDocumentation(): Promise<Map<string, string>> {
  const out = new Map<string, string>();
  for (const rule of rules) out.set(path.join(FOLDER, `${rule.id}.md`), `${rulePage(rule, await findings(rule))}\n`);
  out.set(path.join(FOLDER, "README.md"), `${rulesIndex(rules, REAL_CODE)}\n`);
  out.set("package.json", packageWithRules(readFileSync("package.json", "utf8")));
  return out;
}

/** A page with the table of rules between its marks. */
export function withRuleTable(page: string): string {
  return page.replace(TABLE, (_, begin: string, end: string) => `${begin}\n${ruleTable(rules, "docs/rules/")}\n\n${end}`);
}

/** What is said of a rule's bad example, by this rule alone. */
async function findings(rule: Rule): Promise<string[]> {
  if (rule.onnxOnly || rule.measured) return [];
  const loaded = await new Loader({ analysis: { numeric: false } }).loadPython("example.py", rule.examples.bad);
  return checkFile(checkedFile(loaded))
    .filter((f) => f.rule === rule.id)
    .flatMap(({ message, range, severity }) => {
      const [first, ...rest] = message.split("\n");
      const place = range ? `example.py:${range.start.line + 1}:${range.start.column + 1}: ` : "";
      return [`${place}${severity}: ${first}`, ...rest.map((l) => `    ${l}`)];
    });
}

/** package.json with one setting for the severity of each rule. */
function packageWithRules(text: string): string {
  const manifest = JSON.parse(text) as {
    contributes: { configuration: { properties: Record<string, Record<string, unknown>> } };
  };
  const setting = manifest.contributes.configuration.properties["noether.lint.rules"];
  if (!setting) throw new Error("package.json has no setting noether.lint.rules");
  const levels = ["error", "warning", "info", "hint", "off"];
  setting["properties"] = Object.fromEntries(
    rules.map((r) => [r.id, { type: "string", enum: levels, description: `${r.title} (${r.severity} by default).` }]),
  );
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}
