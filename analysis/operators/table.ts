/** @file The operator table: every operator that Noether understands, by domain and name. */
import { activationOperators } from "./activation";
import { alongAxisOperators } from "./along-axis";
import { attentionOperators } from "./attention";
import { compositeOperators } from "./composite";
import { contractionOperators } from "./contraction";
import { convolutionOperators } from "./convolution";
import { elementwiseOperators } from "./elementwise";
import { equivariances } from "./equivariances";
import { generatingOperators } from "./generating";
import { indexingOperators } from "./indexing";
import { gradients } from "./gradients";
import { lowerings } from "./lower";
import { movementOperators } from "./movement";
import { normalizationOperators } from "./normalization";
import type { Operator, OperatorTable } from "./operator";
import { paddingOperators } from "./padding";
import { poolingOperators } from "./pooling";
import { quantizationOperators } from "./quantization";
import { recurrentOperators } from "./recurrent";
import { reductionOperators } from "./reduction";
import { resizingOperators } from "./resizing";
import { samplingOperators } from "./sampling";

/** All entries, primitives before composites. */
export const operators: readonly Operator[] = [
  ...elementwiseOperators,
  ...activationOperators,
  ...contractionOperators,
  ...convolutionOperators,
  ...poolingOperators,
  ...resizingOperators,
  ...reductionOperators,
  ...alongAxisOperators,
  ...movementOperators,
  ...paddingOperators,
  ...indexingOperators,
  ...generatingOperators,
  ...samplingOperators,
  ...quantizationOperators,
  ...normalizationOperators,
  ...recurrentOperators,
  ...attentionOperators,
  ...compositeOperators,
];

/** "ai.onnx" is the standard domain's other name. */
function key(name: string, domain: string): string {
  return domain === "" || domain === "ai.onnx" ? name : `${domain}::${name}`;
}

/**
 * Joins the entries with the columns that are written apart: equivariance, gradients, and lowerings of standard operators. Throws
 * Error when two entries share one name, so that an operator lives in one place only, and when a column names an operator
 * that has no entry, or has that field already.
 */
function tabulate(entries: readonly Operator[]): ReadonlyMap<string, Operator> {
  const table = new Map<string, Operator>();
  for (const entry of entries) {
    const name = key(entry.name, entry.domain ?? "");
    if (table.has(name)) throw new Error(`two entries of the operator table are named ${name}`);
    table.set(name, entry);
  }
  for (const [name, equivariance] of Object.entries(equivariances)) {
    const entry = table.get(name);
    if (!entry) throw new Error(`the equivariance column names ${name}, which has no entry in the operator table`);
    table.set(name, { ...entry, equivariance });
  }
  for (const [name, lower] of Object.entries(lowerings)) {
    const entry = table.get(name);
    if (!entry) throw new Error(`the column of lowerings names ${name}, which has no entry in the operator table`);
    if (entry.lower) throw new Error(`${name} has two lowerings`);
    table.set(name, { ...entry, lower });
  }
  for (const [name, gradient] of Object.entries(gradients)) {
    const entry = table.get(name);
    if (!entry) throw new Error(`the column of gradients names ${name}, which has no entry in the operator table`);
    table.set(name, { ...entry, gradient });
  }
  return table;
}

const TABLE = tabulate(operators);

/** Looks an operator up; undefined means opaque. */
export const operatorTable: OperatorTable = (operator, domain) => TABLE.get(key(operator, domain));
