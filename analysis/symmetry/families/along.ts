/** @file A matrix applied along one factor of one axis of a parameter. */
import type { InferredAxes } from "../spaces/infer";
import type { Occurrence } from "../spaces/occurrences";

/** A square matrix that is the identity but for some of its rows and columns: `block` is row-major over `indices`. */
export interface BlockMatrix {
  readonly indices: Int32Array;
  readonly block: Float64Array;
}

/** Where the entries of a factor are. */
export class Along {
  private readonly stride: number;
  private readonly size: number;
  private readonly starts: Int32Array;
  /** Index of the enclosing space at each start. */
  private readonly copyAt: Int32Array;

  /** `enclosing` is the atom per index of which there is a matrix of its own. */
  constructor(axes: InferredAxes, shape: readonly number[], o: Occurrence, enclosing: number | undefined) {
    const inner = shape.slice(o.axis + 1).reduce((n, d) => n * d, 1);
    const outer = shape.slice(0, o.axis).reduce((n, d) => n * d, 1);
    const length = shape[o.axis]!;
    this.size = o.factors[o.factor]!;
    const after = o.factors.slice(o.factor + 1).reduce((n, d) => n * d, 1);
    const before = o.factors.slice(0, o.factor).reduce((n, d) => n * d, 1);
    this.stride = after * inner;
    const copyInside = enclosing === undefined ? -1 : o.atoms.indexOf(enclosing);
    const copyAcross = copyInside < 0 && enclosing !== undefined ? acrossAxes(axes, o, shape, enclosing) : undefined;
    const insideWithin = copyInside < 0 ? 1 : o.factors.slice(copyInside + 1).reduce((n, d) => n * d, 1);
    const starts = new Int32Array(outer * before * after * inner);
    const copyAt = new Int32Array(starts.length);
    let k = 0;
    for (let u = 0; u < outer; u++) {
      for (let b = 0; b < before; b++) {
        for (let w = 0; w < after; w++) {
          const p = b * this.size * after + w;
          for (let i = 0; i < inner; i++) {
            const flat = (u * length + o.start + p) * inner + i;
            starts[k] = flat;
            copyAt[k] = copyInside >= 0 ? Math.floor(p / insideWithin) % o.factors[copyInside]! : (copyAcross?.(flat) ?? 0);
            k++;
          }
        }
      }
    }
    this.starts = starts;
    this.copyAt = copyAt;
  }

  /** values[.., i, ..] := sum over j of matrix[i, j] values[.., j, ..], in place; one matrix per copy. */
  multiply(values: Float64Array, matrices: readonly (BlockMatrix | undefined)[]): void {
    const column = new Float64Array(this.size);
    for (let k = 0; k < this.starts.length; k++) {
      const matrix = matrices[this.copyAt[k]!];
      if (!matrix) continue;
      const { indices, block } = matrix;
      const [start, n] = [this.starts[k]!, indices.length];
      for (let j = 0; j < n; j++) column[j] = values[start + indices[j]! * this.stride]!;
      for (let i = 0; i < n; i++) {
        let sum = 0;
        for (let j = 0, at = i * n; j < n; j++, at++) sum += block[at]! * column[j]!;
        values[start + indices[i]! * this.stride] = sum;
      }
    }
  }

  /** out[.., row, ..] += factor * values[.., column, ..] for one copy: what one entry of a generator does. */
  addEntry(values: Float64Array, out: Float64Array, copy: number, row: number, column: number, factor: number): void {
    for (let k = 0; k < this.starts.length; k++) {
      if (this.copyAt[k] !== copy) continue;
      out[this.starts[k]! + row * this.stride]! += factor * values[this.starts[k]! + column * this.stride]!;
    }
  }

  /** All flat positions of the factor. */
  *entries(): Iterable<number> {
    for (const start of this.starts) for (let i = 0; i < this.size; i++) yield start + i * this.stride;
  }
}

/** The index of an enclosing atom by flat position, where it lies along another axis of the parameter. */
function acrossAxes(
  axes: InferredAxes,
  o: Occurrence,
  shape: readonly number[],
  enclosing: number,
): ((flat: number) => number) | undefined {
  const layout = axes.layout(o.parameter)!;
  for (let axis = 0; axis < layout.length; axis++) {
    if (axis === o.axis || layout[axis]!.length !== 1) continue;
    const segment = layout[axis]![0]!;
    const at = segment.findIndex((f) => f.atom === enclosing);
    if (at < 0) continue;
    const within = segment.slice(at + 1).reduce((n, f) => n * f.size, 1);
    const stride = shape.slice(axis + 1).reduce((n, d) => n * d, 1) * within;
    const size = segment[at]!.size;
    return (flat) => Math.floor(flat / stride) % size;
  }
  return undefined;
}
