/**
 * @file Proof of gain: a paired probe with and without fixes, on the same data, with the same seeds and, where names and shapes
 * of parameters stay, from the same initial weights; and what it says of each fix.
 */
import { applyEdits } from "../../fixes/apply";
import { graphRewrites } from "../../fixes/graph/registry";
import type { GraphRewrite } from "../../fixes/graph/rewrite";
import { type Offer, offersOf } from "../../fixes/offers";
import { NotEditable } from "../../fixes/source/draft";
import type { Graph } from "../../graph/graph";
import type { Measured, ProbeRecord, RecordedSetting } from "../../probe/record/record";
import { settingsFromFacts } from "../../probe/settings";
import type { CheckedModel } from "../../rules/checked";
import { graphKey } from "../graph-key";
import { checkedFile } from "../checked-file";
import type { LoadedFile, LoadedModel, LoadOptions } from "../loaded";
import { Loader } from "../models";
import { type ProbeHost, type ProbeSessionOptions, runProbe } from "../probe/session";
import type { ComparedSetting } from "../probe/settings";

/** One quantity that a fix changes. */
export interface Change {
  readonly what: "loss" | "accuracy" | "degree of symmetry breaking" | "rank" | "dead units" | "distinct units";
  /** With the fix less without, mean over replicas with its standard error. */
  readonly difference: Measured;
  /** Whether it differs from zero at a level of 5% (Student's t, two-sided). */
  readonly significant: boolean;
  /** Whether a rise is a gain. */
  readonly better: "higher" | "lower";
}

/** What was measured of one fix. */
export interface VerifiedFix {
  readonly id: string;
  readonly title: string;
  readonly exact: boolean;
  /**
   * worse: the loss is measurably higher or the accuracy lower. better: one of them improved, or less collapsed at no cost.
   * none: no measurable difference. unmeasured: the fix could not be trained, see `reason`.
   */
  readonly outcome: "better" | "worse" | "none" | "unmeasured";
  readonly changes: readonly Change[];
  /** Why it was not measured. */
  readonly reason?: string;
  /** What the reader has to know. */
  readonly notes: readonly string[];
}

/** What a verification says. */
export interface Verification {
  readonly model: string;
  readonly steps: number;
  readonly replicas: number;
  readonly fixes: readonly VerifiedFix[];
  /** The probe behind it; absent where nothing could be trained. */
  readonly record?: ProbeRecord;
}

/** A fix to be measured: an offer for source, or a rewrite of an exported model. */
export type Candidate = Offer | { readonly rewrite: GraphRewrite; readonly parameters?: readonly string[] };

/** Measures fixes of one model in one probe. Throws what `runProbe` throws. */
export async function verifyFixes(
  loaded: LoadedFile,
  model: LoadedModel,
  candidates: readonly Candidate[],
  options: ProbeSessionOptions & { readonly load?: LoadOptions } = {},
  host: ProbeHost = {},
): Promise<Verification> {
  const { load, ...session } = options;
  const plans = await plansOf(loaded, model, candidates, session, new Loader(load));
  const compare = plans.flatMap((p) => p.setting ?? []);
  const facts = loaded.facts?.();
  const record =
    compare.length > 0 ? await runProbe({ model, ...(facts ? { facts } : {}) }, { ...session, compare }, host) : undefined;
  return {
    model: model.name,
    steps: record?.steps ?? 0,
    replicas: record?.replicas ?? 0,
    fixes: plans.map(({ about, setting }): VerifiedFix => {
      if (!setting || !record) return { ...about, outcome: "unmeasured", changes: [] };
      const changes = changesOf(record, setting.name);
      if (changes.length === 0) return { ...about, outcome: "unmeasured", changes, reason: "no run came to its end" };
      return { ...about, notes: [...about.notes, ...groupNotes(record, setting.name)], outcome: outcomeOf(changes), changes };
    }),
    ...(record ? { record } : {}),
  };
}

/** A fix with the setting that trains it; without one where it cannot be trained. */
interface FixPlan {
  readonly about: Omit<VerifiedFix, "outcome" | "changes">;
  readonly setting?: ComparedSetting;
}

async function plansOf(
  loaded: LoadedFile,
  model: LoadedModel,
  candidates: readonly Candidate[],
  session: ProbeSessionOptions,
  loader: Loader,
): Promise<FixPlan[]> {
  const seed = session.seed ?? 0;
  const plans: FixPlan[] = [];
  const names = new Set<string>();
  for (const candidate of candidates) {
    const about = describe(candidate);
    let name = about.id;
    for (let i = 2; names.has(name); i++) name = `${about.id} ${i}`;
    names.add(name);
    const plan = await settingOf(candidate, name, loaded, model, loader, seed, session);
    if ("reason" in plan) plans.push({ about: { ...about, reason: plan.reason } });
    else plans.push({ about: { ...about, notes: [...about.notes, ...plan.notes] }, setting: plan.setting });
  }
  return plans;
}

/** Settings that train fixes by name, for a probe that compares with them; and why some cannot be trained. */
export async function fixSettings(
  loaded: LoadedFile,
  model: LoadedModel,
  fixes: readonly { readonly id: string; readonly parameter?: string }[],
  session: ProbeSessionOptions,
): Promise<{ readonly settings: ComparedSetting[]; readonly reasons: string[] }> {
  const reasons: string[] = [];
  const candidates: Candidate[] = [];
  for (const { id, parameter } of fixes) {
    if (loaded.language === "onnx") {
      const rewrite = graphRewrites.find((r) => r.id === id);
      if (rewrite) candidates.push({ rewrite, ...(parameter === undefined ? {} : { parameters: [parameter] }) });
      else reasons.push(`${id} is no fix of exported models`);
      continue;
    }
    const request = { id, model: model.name, ...(parameter === undefined ? {} : { parameter }) };
    const { offers, refusals } = offersOf(checkedFile(loaded), request);
    if (offers[0]) candidates.push(offers[0]);
    else reasons.push(refusals[0] ?? `${id} cannot be made here`);
  }
  const plans = await plansOf(loaded, model, candidates, session, new Loader());
  for (const { about } of plans) if (about.reason !== undefined) reasons.push(`${about.id}: ${about.reason}`);
  return { settings: plans.flatMap((p) => p.setting ?? []), reasons };
}

function describe(candidate: Candidate): Omit<VerifiedFix, "outcome" | "changes"> {
  if ("rewrite" in candidate) {
    const { id, description, outputs } = candidate.rewrite;
    return { id, title: description, exact: outputs === "same", notes: [] };
  }
  const { id, fix } = candidate;
  const notes = id === "input-expansion" ? ["input expansion acts like a faster bias; it removes no symmetry"] : [];
  return { id, title: fix.title, exact: fix.exact, notes };
}

/** Fixes whose graph is rewritten rather than read from the edited text, so that all weights keep their names and their start. */
const BY_REWRITE: ReadonlySet<string> = new Set(["w-asymmetric", "activation", "dcs-sparse"]);

type Plan = { readonly setting: ComparedSetting; readonly notes: readonly string[] } | { readonly reason: string };

async function settingOf(
  candidate: Candidate,
  name: string,
  loaded: LoadedFile,
  model: LoadedModel,
  loader: Loader,
  seed: number,
  session: ProbeSessionOptions,
): Promise<Plan> {
  const id = "rewrite" in candidate ? candidate.rewrite.id : candidate.id;
  if (id.startsWith("syre")) {
    const known = loaded.facts ? settingsFromFacts(loaded.facts(), model.name).training : undefined;
    const decays = [
      session.training?.weightDecay ?? known?.weightDecay ?? 0,
      ...(known?.groups ?? []).map((g) => g.weightDecay ?? 0),
    ];
    if (decays.every((d) => d === 0)) return { reason: "syre acts through weight decay, and there is none" };
    const anchors = { seed, ...(id === "syre-diagonal" ? { diagonal: 0.01 } : {}) };
    return { setting: { name, anchors }, notes: [] };
  }
  const checked = checkedFile({ ...loaded, models: [model] }).models[0]!;
  if ("rewrite" in candidate) return rewritten(candidate.rewrite, checked, name, seed, candidate.parameters);
  const isLattice = id === "input-expansion" && model.graph.inputs.some((i) => i.shape.length === 4);
  const rewrite = graphRewrites.find((r) => r.id === id);
  if (rewrite && (BY_REWRITE.has(id) || (id === "input-expansion" && !isLattice))) {
    const [first] = candidate.parameters;
    return rewritten(rewrite, checked, name, seed, first === undefined ? undefined : [first]);
  }
  return edited(candidate, name, loaded, model, loader, session);
}

function rewritten(
  rewrite: GraphRewrite,
  model: CheckedModel,
  name: string,
  seed: number,
  parameters: readonly string[] | undefined,
): Plan {
  try {
    const { graph } = rewrite.apply(model, { seed, fresh: true, ...(parameters ? { parameters } : {}) });
    return { setting: { name, graph }, notes: startNotes(model.graph, graph) };
  } catch (error) {
    if (error instanceof NotEditable) return { reason: error.message };
    throw error;
  }
}

/** The model and the training of the text with the fix. */
async function edited(
  { fix, id }: Offer,
  name: string,
  loaded: LoadedFile,
  model: LoadedModel,
  loader: Loader,
  session: ProbeSessionOptions,
): Promise<Plan> {
  if (loaded.text === undefined) return { reason: "the file has no source text" };
  if (fix.edits.some((e) => e.range.file !== loaded.file)) return { reason: "the fix changes other files too" };
  const text = applyEdits(loaded.text, fix.edits);
  const after = await loader.loadPython(loaded.file, text);
  const changed = after.models.find((m) => m.name === model.name);
  if (!changed) return { reason: `${model.name} could not be read with the fix in it` };
  const opaque = changed.graph.nodes.find((n) => n.domain !== "" || n.operator.startsWith("Random"));
  if (opaque) return { reason: `${opaque.operator} cannot be trained in a probe` };
  const same = graphKey(changed.graph) === graphKey(model.graph) && sameStarts(changed.graph, model.graph);
  const before = settingsFromFacts(loaded.facts!(), model.name).training;
  const training = settingsFromFacts(after.facts!(), model.name).training;
  const differs = JSON.stringify(before) !== JSON.stringify(training);
  if (same && !differs) {
    return { reason: id === "router-noise" ? "noise is not trained in a probe" : "a probe does not see what it changes" };
  }
  return {
    setting: {
      name,
      ...(same ? {} : { graph: changed.graph }),
      ...(differs ? { training: { ...training, ...session.training } } : {}),
    },
    notes: same ? [] : startNotes(model.graph, changed.graph),
  };
}

function sameStarts(a: Graph, b: Graph): boolean {
  const starts = (g: Graph): string =>
    JSON.stringify(
      [...g.parameters.values()].map((p) => [
        p.name,
        p.initialisation?.scheme,
        p.initialisation?.std,
        p.initialisation?.constant,
      ]),
    );
  return starts(a) === starts(b);
}

/** Which weights do not start where they start without the fix. */
function startNotes(before: Graph, after: Graph): string[] {
  const own = [...before.parameters.values()].filter((p) => p.trainable && p.shape.length >= 2);
  const lost = own.filter((p) => after.parameters.get(p.name)?.shape.join() !== p.shape.join());
  if (lost.length === 0) return [];
  return [
    `${lost
      .map((p) => p.name)
      .slice(0, 3)
      .join(", ")} ${lost.length === 1 ? "starts" : "start"} from other values with the fix`,
  ];
}

/** Student's t at 5%, two-sided, for 1 to 10 degrees of freedom. */
const T = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23];

/** Differences that are too small to matter, whatever their error: of shares in absolute terms, of the loss relative to it. */
const LEAST = { loss: 1e-3, share: 0.01, units: 0.5 } as const;

function isSignificant({ value, error, replicas }: Measured, least: number): boolean {
  if (value === null || error === null || replicas < 2) return false;
  return Math.abs(value) > (T[replicas - 2] ?? 1.96) * error && Math.abs(value) >= least;
}

function changesOf(record: ProbeRecord, name: string): Change[] {
  const comparison = record.comparisons.find((c) => c.setting === name);
  const [base] = record.settings;
  const own = record.settings.find((s) => s.name === name);
  if (!comparison || !base || !own) return [];
  const rank = rankDifference(base, own);
  const change = (what: Change["what"], difference: Measured, better: Change["better"], least: number): Change[] =>
    difference.value === null ? [] : [{ what, difference, better, significant: isSignificant(difference, least) }];
  // Measures of symmetries say something only where the same ones act.
  const sameGroups = groupsOf(base).join() === groupsOf(own).join();
  const sameUnits = unitsOf(base) === unitsOf(own);
  return [
    ...change("loss", comparison.loss, "lower", LEAST.loss * Math.abs(base.finalLoss.value ?? 0)),
    ...(comparison.accuracy ? change("accuracy", comparison.accuracy, "higher", LEAST.share) : []),
    ...(sameGroups ? change("degree of symmetry breaking", comparison.degree, "higher", LEAST.share) : []),
    ...(rank ? change("rank", rank, "higher", LEAST.share) : []),
    ...(sameUnits ? change("dead units", comparison.deadUnits, "lower", LEAST.units) : []),
    ...(sameUnits ? change("distinct units", comparison.distinctUnits, "higher", LEAST.units) : []),
  ];
}

/** The groups that act in a setting's model, sorted. */
function groupsOf(s: RecordedSetting): string[] {
  return s.symmetries.map(({ symmetry }) => `${symmetry.group} (${symmetry.kind})`).sort();
}

function unitsOf(s: RecordedSetting): number {
  return s.symmetries.reduce((n, x) => n + (x.units?.units ?? 0), 0);
}

/** Which groups a fix takes away and which it brings. */
function groupNotes(record: ProbeRecord, name: string): string[] {
  const [base] = record.settings;
  const own = record.settings.find((s) => s.name === name);
  if (!base || !own) return [];
  const left = groupsOf(base);
  const brought = groupsOf(own).filter((g) => {
    const at = left.indexOf(g);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  const list = (groups: readonly string[]): string => [...new Set(groups)].slice(0, 3).join(", ");
  return [
    ...(left.length > 0 ? [`symmetries that are gone: ${list(left)}`] : []),
    ...(brought.length > 0 ? [`symmetries that it brings: ${list(brought)}`] : []),
  ];
}

/** Change of the effective rank of products, as a share of the full one; means of settings, so not paired. */
function rankDifference(base: RecordedSetting, own: RecordedSetting): Measured | undefined {
  const mean = (s: RecordedSetting) => {
    const ranks = s.symmetries.flatMap((x) => (x.ranks && x.ranks.effective.value !== null ? [x.ranks] : []));
    if (ranks.length === 0) return undefined;
    const value = ranks.reduce((a, r) => a + r.effective.value! / r.full, 0) / ranks.length;
    const error = Math.hypot(...ranks.map((r) => (r.effective.error ?? Number.NaN) / r.full)) / ranks.length;
    return { value, error, replicas: Math.min(...ranks.map((r) => r.effective.replicas)) };
  };
  const [a, b] = [mean(base), mean(own)];
  if (!a || !b) return undefined;
  const error = Math.hypot(a.error, b.error);
  return { value: b.value - a.value, error: Number.isFinite(error) ? error : null, replicas: Math.min(a.replicas, b.replicas) };
}

function outcomeOf(changes: readonly Change[]): VerifiedFix["outcome"] {
  const told = changes.filter((c) => c.significant);
  const gains = (c: Change): boolean => c.difference.value! > 0 === (c.better === "higher");
  const performance = told.filter((c) => c.what === "loss" || c.what === "accuracy");
  if (performance.some((c) => !gains(c))) return "worse";
  if (performance.length > 0) return "better";
  const state = told.filter((c) => c.what !== "loss" && c.what !== "accuracy");
  if (state.length === 0) return "none";
  return state.some((c) => !gains(c)) && !state.some(gains) ? "worse" : "better";
}
