/** @file The ONNX front end: a model file to a Graph. */
import { fromBinary } from "@bufbuild/protobuf";
import type { Graph, GraphInput, Node, Parameter } from "../../graph/graph";
import type { Tensor, TensorType } from "../../graph/tensor";
import { type InferenceProblem, inferShapes } from "../../operators/inference";
import { type ByteSource, fileSource, memorySource } from "./bytes";
import { classify, indexUses, isWeight, matchesAny, type Role, type Uses } from "./classify";
import { EXPORT_AGAIN, OnnxError } from "./error";
import { FunctionInliner } from "./functions";
import { type ModelProto, ModelProtoSchema } from "./generated/onnx_pb";
import { GraphReader, type RawGraph } from "./graph-reader";
import { readRoles } from "./metadata";
import { foldedAway, parametersIn, restoreMoved } from "./moved-weights";
import { retie } from "./retie";
import { type Skeleton, scanModel } from "./scanner";
import { nodeScope, parameterScope } from "./scopes";
import { type FileTensor, fileTensor, lazyTensor, TensorReader } from "./tensors";
import type { FileHeader } from "./text/text";
import { exportedRoles, readTorchExport, separateEquals, type TorchExport, unfoldFirstSteps, untranspose } from "./torch-export";
import type { DeclaredType } from "./types";
import { separateStatistics, untie } from "./untie";
import { WitnessSearch } from "./witness";

/** Where a model is: a file, or its bytes in memory (whose external data is then not there). */
export type OnnxSource = { readonly path: string } | { readonly name: string; readonly bytes: Uint8Array };

/** What may be asked of the reader. */
export interface ReadOptions {
  /** Shapes of the inputs by position, instead of the declared ones. */
  readonly inputShapes?: readonly (readonly number[])[];
  /** Parameters that do not train: whole names, or patterns with `*`. */
  readonly frozen?: readonly string[];
}

/** A model that was read. */
export interface OnnxModel {
  readonly graph: Graph;
  /** Name and version of the program that wrote the file. */
  readonly producer: string;
  /** Version of the standard operator set. */
  readonly opset: number;
  /** What the file says besides its graph. */
  readonly header: FileHeader;
  /** Names of the tensors whose values are not there: external data absent, or weights left out of the file. */
  readonly externalDataMissing: readonly string[];
  /** What was assumed or could not be read. */
  readonly notes: readonly string[];
  /** Contradictions that shape inference found; their nodes' outputs have unknown shapes. */
  readonly problems: readonly InferenceProblem[];
}

/** Versions of the standard operator set whose semantics are known. */
const OPSETS = { first: 7, last: 23 } as const;
/** No version of the standard operator set will be this large; a file that says so is damaged. */
const MAX_OPSET = 10_000;

/**
 * Reads a model without its weights, which are read from the file when a parameter's `read` is called.
 * @throws OnnxError when the file is not an ONNX model, is damaged, or holds sparse tensors.
 */
export function readOnnx(source: OnnxSource, options: ReadOptions = {}): OnnxModel {
  const name = "path" in source ? source.path : source.name;
  const bytes = "path" in source ? fileSource(source.path) : memorySource(source.name, source.bytes);
  let skeleton: Skeleton;
  try {
    skeleton = scanModel(bytes);
  } finally {
    bytes.close();
  }
  const model = decode(skeleton, bytes);
  const notes: string[] = [];
  const opset = opsetOf(model, name, notes);
  const tensors = new TensorReader(name, source, skeleton);
  const reader = new GraphReader(name, tensors, new FunctionInliner(model.functions, notes), opset, notes);
  const untied = untie(separateStatistics(reader.read(model.graph!)), model.producerName);
  const record = readTorchExport(model.graph!);
  const raw = record ? restored(untied, record) : retie(untied);
  if (record) notes.push(...foldedAway(raw, record));
  return assemble(model, raw, record, opset, name, options, notes);
}

/** The model's own parameters, as far as an export by torch.export tells what became of them. */
function restored(raw: RawGraph, record: TorchExport): RawGraph {
  const owned = restoreMoved(separateEquals(untranspose(raw, record), record), record);
  return retie(unfoldFirstSteps(owned, record), (name) => record.folded.has(name));
}

function decode(skeleton: Skeleton, source: ByteSource): ModelProto {
  const fail = (problem: string): OnnxError =>
    new OnnxError({ file: source.name, problem, expected: "an ONNX model", advice: EXPORT_AGAIN });
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, skeleton.bytes, { readUnknownFields: false });
  } catch (error) {
    throw fail(`cannot be decoded (${error instanceof Error ? error.message : String(error)})`);
  }
  if (!model.graph) throw fail("holds no graph");
  if (model.irVersion <= 0n && model.opsetImport.length === 0) throw fail("has neither an IR version nor an operator set");
  return model;
}

function opsetOf(model: ModelProto, file: string, notes: string[]): number {
  const standard = model.opsetImport.filter((o) => o.domain === "" || o.domain === "ai.onnx");
  const versions = standard.map((o) => Number(o.version));
  const absurd = versions.find((v) => v < 0 || v > MAX_OPSET);
  if (absurd !== undefined) {
    throw new OnnxError({
      file,
      problem: `names version ${absurd} of the standard operator set`,
      expected: `a version from 1 to ${OPSETS.last}`,
      advice: EXPORT_AGAIN,
    });
  }
  const version = Math.max(0, ...versions);
  if (version === 0) {
    notes.push(`the file names no version of the standard operator set; ${OPSETS.first} is assumed`);
    return OPSETS.first;
  }
  if (version < OPSETS.first || version > OPSETS.last) {
    notes.push(
      `operator set ${version} is outside ${OPSETS.first} to ${OPSETS.last}: operators whose meaning differs there may be misread`,
    );
  }
  return version;
}

function assemble(
  model: ModelProto,
  raw: RawGraph,
  record: TorchExport | undefined,
  opset: number,
  file: string,
  options: ReadOptions,
  notes: string[],
): OnnxModel {
  const uses = indexUses(raw.nodes);
  const stated = readRoles(model, notes);
  const constants = new Map<string, Tensor>();
  const parameters = new Map<string, Parameter>();
  const missing: string[] = [];
  const tensors = [...raw.initializers.values()];
  // Before IR version 4 the inputs are where parameters are listed; later files list constants there too, when asked to.
  const listsParameters = model.irVersion < 4n;
  for (const [name, t] of raw.constants) {
    // Some exporters write weights as Constant nodes; where roles are stated, everything is.
    if (stated.size === 0 && isWeight(name, t, uses)) tensors.push(fileTensor(name, t));
    else constants.set(name, t);
  }
  const exported = record && exportedRoles(record, uses);
  for (const tensor of tensors) {
    const found = (): Role =>
      exported ? exported(tensor) : classify(tensor, uses, listsParameters && raw.listed.has(tensor.name));
    let role = stated.get(tensor.name) ?? found();
    if (tensor.missing) missing.push(tensor.name);
    // Unknown values cannot be a constant; they are as good as generic ones that do not train.
    if (role === "constant" && !tensor.available) role = "frozen";
    if (tensor.type === "other" && notes.length < 100)
      notes.push(`tensor ${tensor.name} has the type ${tensor.typeName}, whose values are not read`);
    const made = record ? parametersIn(tensor.name, record) : [];
    const isFrozen = (name: string): boolean => matchesAny(name, options.frozen ?? []);
    if (role === "parameter" && (isFrozen(tensor.name) || (made.length > 0 && made.every(isFrozen)))) role = "frozen";
    if (role === "constant") constants.set(tensor.name, lazyTensor(tensor));
    else parameters.set(tensor.name, parameter(tensor, role, uses, raw));
  }
  if (missing.length > 0)
    notes.push(
      `${missing.length} of ${raw.initializers.size} tensors have no values: their data is not in the file or next to it`,
    );

  const nodes = raw.nodes.map((node) => withScope(node, raw, parameters));
  const shapeOf = (value: string) => parameters.get(value)?.shape ?? constants.get(value)?.shape;
  const search = new WitnessSearch(file, raw.inputs, options.inputShapes ?? [], uses, shapeOf, constants);
  const build = (
    inputs: readonly GraphInput[],
    symbols: ReadonlyMap<number, string>,
    declared: ReadonlyMap<string, TensorType>,
  ): Graph => {
    const types = new Map<string, TensorType>(declared);
    for (const input of inputs) types.set(input.name, { type: input.type, shape: input.shape });
    for (const p of parameters.values()) types.set(p.name, { type: p.type, shape: p.shape });
    for (const [n, t] of constants) types.set(n, { type: t.type, shape: t.shape });
    return {
      name: raw.name === "" ? "graph" : raw.name,
      opset,
      inputs,
      outputs: raw.outputs.map((o) => o.name),
      nodes,
      parameters,
      constants,
      types,
      symbols,
    };
  };
  const witness = search.solve((inputs) => inferShapes(build(inputs, new Map(), new Map())).problems.length);
  notes.push(...witness.notes);
  const symbols = new Map<number, string>();
  for (const [symbol, size] of witness.sizes) if (!symbols.has(size)) symbols.set(size, symbol);
  const declared = declaredTypes([...raw.declared, ...raw.outputs], witness.sizes);
  const inferred = inferShapes(build(witness.inputs, symbols, declared));
  return {
    graph: inferred.graph,
    producer: `${model.producerName} ${model.producerVersion}`.trim(),
    opset,
    header: {
      irVersion: Number(model.irVersion),
      opsets: new Map(model.opsetImport.map((o) => [o.domain === "ai.onnx" ? "" : o.domain, Number(o.version)])),
      declared: [...raw.inputs, ...raw.outputs],
    },
    externalDataMissing: missing,
    notes,
    problems: inferred.problems,
  };
}

function parameter(tensor: FileTensor, role: Role, uses: Uses, raw: RawGraph): Parameter {
  const node = uses.of(tensor.name)[0]?.node;
  const proto = node && raw.protos.get(node);
  const scope = parameterScope(tensor.name) ?? (proto && nodeScope(proto, []));
  return {
    name: tensor.name,
    type: tensor.type,
    shape: tensor.shape,
    trainable: role === "parameter",
    ...(role === "buffer" ? { buffer: true } : {}),
    ...(tensor.available ? { read: () => tensor.read() } : {}),
    origin: { ...(node ? { node: node.name } : {}), ...(scope === undefined ? {} : { scope }) },
  };
}

function withScope(node: Node, raw: RawGraph, parameters: ReadonlyMap<string, Parameter>): Node {
  const scope = nodeScope(
    raw.protos.get(node)!,
    node.inputs.filter((i) => parameters.has(i)),
  );
  return scope === undefined ? node : { ...node, origin: { ...node.origin, scope } };
}

/** Declared types whose sizes are all known, symbols replaced by what stands for them. */
function declaredTypes(values: readonly DeclaredType[], sizes: ReadonlyMap<string, number>): Map<string, TensorType> {
  const out = new Map<string, TensorType>();
  for (const value of values) {
    if (!value.tensor || value.type === "other") continue;
    const shape = value.sizes?.map((s) => (typeof s === "string" ? sizes.get(s) : s));
    const known = shape?.every((s) => s !== undefined) ? (shape as number[]) : undefined;
    out.set(value.name, { type: value.type, shape: known });
  }
  return out;
}
