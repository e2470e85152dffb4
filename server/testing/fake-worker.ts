/**
 * @file An analysis process for tests of the server. What it finds and how it misbehaves is written in the text:
 * `class Name` is a model with a hover, `bias=True` a finding with an exact fix, `gain` one with a fix that is not;
 * `MISTAKE` is one in the configuration; `LINKED` gives hovers a link; `SETTINGS` puts the settings into the finding;
 * `THROW`, `CRASH`, `HANG` and `SLOW` do so, `DIES_LATER` crashes when certified; `PID` makes the
 * process name itself in a problem.
 */
import type { AnalysisService, DocumentAnalysis, ModelSummary, Finding, SourceRange } from "../protocol";
import { serveAnalysis } from "../worker/serve";

const texts = new Map<string, string>();
let analyses = 0;

const service: AnalysisService = {
  async analysePython(path, text, settings) {
    texts.set(path, text);
    analyses++;
    if (text.includes("THROW")) throw new Error("the fake service threw");
    if (text.includes("CRASH")) process.kill(process.pid, "SIGKILL");
    if (text.includes("HANG")) for (;;);
    if (text.includes("SLOW")) await new Promise((resolve) => setTimeout(resolve, 300));
    const analysis = analyse(path, text, false);
    if (!text.includes("SETTINGS")) return analysis;
    const [first] = analysis.findings;
    return { ...analysis, findings: [{ ...first!, message: JSON.stringify(settings) }] };
  },
  async analyseOnnx(path) {
    if (path.includes("broken")) return { ...analyse(path, "", false), problems: [{ message: `${path}: not an ONNX file` }] };
    return analyse(path, "class Graph", false);
  },
  async certify(path) {
    const text = texts.get(path) ?? "";
    if (text.includes("DIES_LATER")) process.kill(process.pid, "SIGKILL");
    return analyse(path, text, true);
  },
  async structure(path) {
    const { models } = analyse(path, texts.get(path) ?? "", false);
    return {
      path,
      hints: models.map(({ name, range }) => ({ range: range!, label: `a:${name}`, tooltip: name })),
      models: models.map(({ name, range }) => {
        const member = (side: "in" | "out") => ({ scope: `${name}.${side}`, places: ["weight/0"], range: range!, side });
        const risk = { risk: "low", riskReason: "" } as const;
        const space = {
          label: "4 channels",
          size: 4,
          group: "S(4)",
          risk: "low",
          members: [member("out"), member("in")],
        } as const;
        const numbers = { parameters: 4, dimension: 2, atLeast: false, certified: false };
        return { name, range: range!, ...numbers, ...risk, summary: `summary of ${name}`, spaces: [space] };
      }),
    };
  },
  onnxText: () => Promise.resolve(null),
  async rewrites(path, range) {
    if (!texts.get(path)?.includes("LAYER")) return [];
    const target = { model: "Net", parameters: ["fc.weight"] };
    return [{ title: "mask it", remedy: "w-asymmetric", target, exact: false, edits: [{ range, newText: "masked" }] }];
  },
  drawing: () => Promise.resolve(null),
  sourceOf: () => Promise.resolve(null),
  dispose() {},
};

/** A notebook's cells are analysed one by one; what is found says its cell. */
function analyse(path: string, text: string, certified: boolean): DocumentAnalysis {
  if (!path.endsWith(".ipynb")) return analyseText(path, text, certified);
  const { cells } = JSON.parse(text) as { readonly cells: readonly { readonly source: string }[] };
  const parts = cells.map(({ source }, i) => analyseText(`${path}#cell=${i}`, source, certified));
  return {
    ...analyseText(path, "", certified),
    findings: parts.flatMap((p) => p.findings),
    hovers: parts.flatMap((p) => p.hovers),
    models: parts.flatMap((p) => p.models),
  };
}

function analyseText(path: string, text: string, certified: boolean): DocumentAnalysis {
  const findings: Finding[] = [];
  const hovers: DocumentAnalysis["hovers"] = [];
  const models: ModelSummary[] = [];
  text.split("\n").forEach((line, number) => {
    const find = (pattern: RegExp, found: (range: SourceRange, match: string) => void): void => {
      for (const m of line.matchAll(pattern)) {
        const end = m.index + m[0].length;
        found({ file: path, start: { line: number, column: m.index }, end: { line: number, column: end } }, m[0]);
      }
    };
    const finding = (rule: string, range: SourceRange, exact: boolean, newText: string): Finding => ({
      rule,
      severity: "warning",
      message: `${rule} in analysis ${analyses > 0 ? "of the fake" : ""}${certified ? ", certified" : ""}`,
      range,
      file: path,
      related: [{ label: "here too", range }],
      symmetry: "R^4",
      fixes: [
        {
          title: `Write ${newText}`,
          exact,
          ...(exact ? {} : { remedy: "syre", target: { model: "Net", parameters: ["fc.weight"] } }),
          edits: [{ range, newText }],
        },
      ],
      silence: [{ title: `Ignore ${rule}`, exact: true, edits: [{ range, newText: "" }] }],
    });
    find(/bias=True/g, (range) => findings.push(finding("bias-before-norm", range, true, "bias=False")));
    find(/gain/g, (range) => findings.push(finding("gain", range, false, "gain2")));
    find(/class \w+/g, (range, match) => {
      const name = match.slice(6);
      const link = text.includes("LINKED") ? " [here](place:0)" : "";
      hovers.push({ range, markdown: `**${name}** ${certified ? "certified" : "by rule"}${link}`, links: [range], model: name });
      models.push({ name, file: path, range, parameters: 4, text: `report of ${name}`, json: { name } });
    });
  });
  const start = { line: 2, column: 0 };
  const place = { file: "/project/noether.toml", start, end: { line: 2, column: 4 } };
  const mistakes = text.includes("MISTAKE") ? [{ message: "no such rule", range: place }] : [];
  const problems = text.includes("PID") ? [{ message: String(process.pid) }] : [];
  const calls = { understood: 3 * models.length, all: 4 * models.length };
  return { path, findings, hovers, models, problems, calls, configuration: { files: [], mistakes }, milliseconds: 1 };
}

serveAnalysis(service);
