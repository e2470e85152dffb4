/** @file The public JSON of `noether symmetries`: its schema is schema/symmetries.schema.json. */
import type { Certificate, ModelAnalysis, TwinCertificate } from "../symmetry/analysis";
import { type ContinuousCounts, formatAddress } from "../symmetry/symmetry";
import type { RiskLevel } from "../dynamics/risk/risk";
import type { TrainedBy } from "../dynamics/risk/model";
import { countedOf, withdrawnClaims } from "./families";
import { riskJson, type RiskJson, riskOf, spaceRisks } from "./risk";

/** One model to report on. */
export interface ReportedModel {
  /** Class name in Python, the graph's file stem for ONNX. */
  readonly name: string;
  /** As the user named it. */
  readonly file: string;
  /** 1-based line of the class statement. */
  readonly line?: number;
  readonly analysis: ModelAnalysis;
  readonly certificate?: Certificate;
  /** What the front end assumed or could not read. */
  readonly notes?: readonly string[];
  /** What is known of its training; asked for only where risks are shown. */
  training?(): TrainedBy;
}

/** One member of `models`. */
export interface ModelJson {
  readonly name: string;
  readonly file: string;
  readonly line?: number;
  readonly parameters: number;
  readonly continuous: ContinuousCounts;
  /** How the counts were obtained: on the model, on its twin, or of scalings only (a lower bound). */
  readonly counted: ModelAnalysis["countOrigin"];
  /** Present where there may be more directions than were counted. */
  readonly atLeast?: true;
  readonly spaces: readonly {
    readonly size: number;
    readonly group: string;
    readonly acts: readonly string[];
    /** Index in `spaces` of the space over which this one is repeated with independent elements. */
    readonly within?: number;
    /** The highest collapse risk of the symmetries that act on it. */
    readonly risk: RiskLevel;
  }[];
  readonly risk: RiskJson;
  readonly swaps: readonly (readonly [string, string])[];
  /** Exchanges that no swap tells of, with the indices in `spaces` of those whose units they exchange parts of. */
  readonly exchanges: readonly {
    readonly group: string;
    readonly parameters: readonly string[];
    readonly spaces: readonly number[];
  }[];
  readonly opaque: readonly { readonly operator: string; readonly where: string }[];
  readonly notes: readonly string[];
  readonly certificate: {
    readonly status: Certificate["status"];
    readonly maxRelativeDeviation: number;
    readonly reason?: string;
    readonly randomWeights?: boolean;
    readonly exactUpToEpsilon?: true;
    /** Claims that failed their check: group, kind and what they move. */
    readonly withdrawn?: readonly string[];
    /** Groups that could not be applied. */
    readonly unchecked?: readonly string[];
    readonly dimensions?: Certificate["dimensions"];
    readonly unmeasured?: string;
    /** How long certifying took. */
    readonly milliseconds?: number;
    readonly twin?: Omit<TwinCertificate, "explained" | "measured" | "model"> & { readonly model: TwinModelJson };
  };
}

/** The dimensions of the whole model as the small copy tells them. */
export interface TwinModelJson {
  readonly exact: boolean;
  readonly unexplained: number;
  /** Groups without a counterpart in the small copy. */
  readonly open: readonly string[];
}

/** The whole document. */
export interface SymmetriesJson {
  readonly schema: 1;
  readonly models: readonly ModelJson[];
}

/** One model as a member of `models`. Without a certificate its status is "skipped". */
export function modelJson(model: ReportedModel): ModelJson {
  const { analysis, certificate } = model;
  const counted = countedOf(analysis, certificate);
  const index = new Map(analysis.spaces.map((s, i) => [s.id, i]));
  const risk = riskOf(model);
  const bySpace = spaceRisks(analysis, risk);
  return {
    name: model.name,
    file: model.file,
    ...(model.line === undefined ? {} : { line: model.line }),
    parameters: analysis.parameters,
    continuous: continuousJson(counted.continuous),
    counted: counted.origin,
    ...(counted.isLeast ? { atLeast: true as const } : {}),
    spaces: analysis.spaces.map((s) => {
      const outer = s.within === undefined ? undefined : index.get(s.within);
      return {
        size: s.size,
        group: s.group,
        acts: s.acts.map(formatAddress),
        ...(outer === undefined ? {} : { within: outer }),
        risk: bySpace.get(s.id) ?? "low",
      };
    }),
    risk: riskJson(risk),
    swaps: analysis.swaps,
    exchanges: analysis.exchanges.map(({ group, parameters, spaces }) => {
      return { group, parameters, spaces: spaces.flatMap((id) => index.get(id) ?? []) };
    }),
    opaque: analysis.opaque.map(({ operator, where }) => ({ operator, where })),
    notes: allNotes(model),
    certificate: certificateJson(certificate, analysis),
  };
}

/** All models of a run. */
export function symmetriesJson(models: readonly ReportedModel[]): SymmetriesJson {
  return { schema: 1, models: models.map(modelJson) };
}

/** What the front end and the inference have to say, and how far the counts go; each sentence once. */
export function allNotes(model: ReportedModel): string[] {
  const { limits } = countedOf(model.analysis, model.certificate);
  return [...new Set([...(model.notes ?? []), ...model.analysis.notes, ...(limits === undefined ? [] : [limits])])];
}

function certificateJson(certificate: Certificate | undefined, analysis: ModelAnalysis): ModelJson["certificate"] {
  if (certificate === undefined) return { status: "skipped", maxRelativeDeviation: 0, reason: "not asked for" };
  const { status, maxRelativeDeviation, reason, randomWeights, exactUpToEpsilon, unchecked, dimensions, unmeasured } =
    certificate;
  const { milliseconds } = certificate;
  const twin = certificate.twin;
  const withdrawn = withdrawnClaims(analysis, certificate);
  return {
    status,
    maxRelativeDeviation,
    ...(reason === undefined ? {} : { reason }),
    randomWeights,
    ...(exactUpToEpsilon ? { exactUpToEpsilon } : {}),
    ...(withdrawn.length > 0 ? { withdrawn } : {}),
    ...(unchecked ? { unchecked: analysis.symmetries.filter((s) => unchecked.includes(s.id)).map((s) => s.group) } : {}),
    ...(dimensions === undefined ? {} : { dimensions }),
    ...(unmeasured === undefined ? {} : { unmeasured }),
    ...(milliseconds === undefined ? {} : { milliseconds }),
    ...(twin ? { twin: twinJson(twin, analysis) } : {}),
  };
}

function twinJson(twin: TwinCertificate, analysis: ModelAnalysis): NonNullable<ModelJson["certificate"]["twin"]> {
  const { parameters, symmetries, maxRelativeDeviation, failed, unchecked, leftOut, notes } = twin;
  const { exact, unexplained } = twin.model;
  const isOpen = new Set(twin.model.open);
  const open = analysis.symmetries
    .filter((s) => isOpen.has(s.id))
    .map((s) => `${s.group} (${s.kind}) on ${s.parameters.join(", ")}`);
  const continuous = continuousJson(twin.continuous);
  return {
    parameters,
    continuous,
    symmetries,
    maxRelativeDeviation,
    failed,
    unchecked,
    leftOut,
    notes,
    model: { exact, unexplained, open },
  };
}

function continuousJson({ total, translation, scale, rescaling, rotation, linear, unread }: ContinuousCounts): ContinuousCounts {
  return { total, translation, scale, rescaling, rotation, linear, unread };
}
