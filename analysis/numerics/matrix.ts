/** @file Dense real matrices in one Float64Array, row-major, and the products that the engines need. */

/** A dense matrix; `data[i * columns + j]` is the entry of row i and column j. */
export class Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;

  /** Zeros, or a view of the given data. Throws RangeError when the data does not fit. */
  constructor(rows: number, columns: number, data?: Float64Array) {
    if (data && data.length !== rows * columns) {
      throw new RangeError(`a ${rows} x ${columns} matrix has ${rows * columns} entries, not ${data.length}`);
    }
    this.rows = rows;
    this.columns = columns;
    this.data = data ?? new Float64Array(rows * columns);
  }

  static identity(size: number): Matrix {
    const out = new Matrix(size, size);
    for (let i = 0; i < size; i++) out.data[i * size + i] = 1;
    return out;
  }

  /** Throws RangeError when a row has another length than the first. */
  static fromRows(rows: readonly ArrayLike<number>[], columns = rows[0]?.length ?? 0): Matrix {
    const out = new Matrix(rows.length, columns);
    rows.forEach((row, i) => {
      if (row.length !== columns) throw new RangeError(`row ${i} has ${row.length} entries, expected ${columns}`);
      out.data.set(row, i * columns);
    });
    return out;
  }

  /** Throws RangeError when a column has another length than the first. */
  static fromColumns(columns: readonly ArrayLike<number>[], rows = columns[0]?.length ?? 0): Matrix {
    return Matrix.fromRows(columns, rows).transpose();
  }

  get(row: number, column: number): number {
    return this.data[row * this.columns + column]!;
  }

  set(row: number, column: number, value: number): void {
    this.data[row * this.columns + column] = value;
  }

  /** A view of one row. */
  row(index: number): Float64Array {
    return this.data.subarray(index * this.columns, (index + 1) * this.columns);
  }

  /** A copy of one column. */
  column(index: number): Float64Array {
    const out = new Float64Array(this.rows);
    for (let i = 0, at = index; i < this.rows; i++, at += this.columns) out[i] = this.data[at]!;
    return out;
  }

  transpose(): Matrix {
    const { rows, columns, data } = this;
    const out = new Matrix(columns, rows);
    // In tiles, so that neither side strides through memory for long.
    const tile = 32;
    for (let i0 = 0; i0 < rows; i0 += tile) {
      const i1 = Math.min(rows, i0 + tile);
      for (let j0 = 0; j0 < columns; j0 += tile) {
        const j1 = Math.min(columns, j0 + tile);
        for (let i = i0; i < i1; i++) for (let j = j0; j < j1; j++) out.data[j * rows + i] = data[i * columns + j]!;
      }
    }
    return out;
  }

  /** this * other. Throws RangeError when the inner sizes differ. */
  multiply(other: Matrix): Matrix {
    if (this.columns !== other.rows) throw new RangeError(`inner sizes ${this.columns} and ${other.rows} differ`);
    const out = new Matrix(this.rows, other.columns);
    const n = other.columns;
    for (let i = 0; i < this.rows; i++) {
      const target = i * n;
      for (let k = 0; k < this.columns; k++) {
        const f = this.data[i * this.columns + k]!;
        if (f === 0) continue;
        const source = k * n;
        for (let j = 0; j < n; j++) out.data[target + j]! += f * other.data[source + j]!;
      }
    }
    return out;
  }

  /**
   * this * thisᵀ. Half of the entries are computed, four columns at a time; sums run over columns in order, so that the result is
   * that of `multiply`, bit by bit.
   */
  timesOwnTranspose(): Matrix {
    const { rows: n, columns } = this;
    const right = this.transpose().data;
    const left = this.data;
    const out = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      const own = i * columns;
      const target = i * n;
      let k = 0;
      for (; k + 3 < columns; k += 4) {
        const [a, b, c, d] = [left[own + k]!, left[own + k + 1]!, left[own + k + 2]!, left[own + k + 3]!];
        if (a === 0 && b === 0 && c === 0 && d === 0) continue;
        const at = k * n;
        for (let j = i; j < n; j++) {
          out[target + j] =
            out[target + j]! +
            a * right[at + j]! +
            b * right[at + n + j]! +
            c * right[at + 2 * n + j]! +
            d * right[at + 3 * n + j]!;
        }
      }
      for (; k < columns; k++) {
        const f = left[own + k]!;
        if (f !== 0) for (let j = i; j < n; j++) out[target + j]! += f * right[k * n + j]!;
      }
      for (let j = i + 1; j < n; j++) out[j * n + i] = out[target + j]!;
    }
    return new Matrix(n, n, out);
  }

  /** this * x. */
  apply(x: ArrayLike<number>): Float64Array {
    const out = new Float64Array(this.rows);
    for (let i = 0, at = 0; i < this.rows; i++) {
      let sum = 0;
      for (let j = 0; j < this.columns; j++, at++) sum += this.data[at]! * x[j]!;
      out[i] = sum;
    }
    return out;
  }

  selectRows(indices: ArrayLike<number>): Matrix {
    const out = new Matrix(indices.length, this.columns);
    for (let i = 0; i < indices.length; i++) out.data.set(this.row(indices[i]!), i * this.columns);
    return out;
  }

  selectColumns(indices: ArrayLike<number>): Matrix {
    const n = indices.length;
    const out = new Matrix(this.rows, n);
    for (let i = 0; i < this.rows; i++) {
      const source = i * this.columns;
      for (let j = 0; j < n; j++) out.data[i * n + j] = this.data[source + indices[j]!]!;
    }
    return out;
  }

  /** Matrices side by side. Throws RangeError when the numbers of rows differ. */
  static beside(parts: readonly Matrix[], rows = parts[0]?.rows ?? 0): Matrix {
    const columns = parts.reduce((n, p) => n + p.columns, 0);
    const out = new Matrix(rows, columns);
    let offset = 0;
    for (const part of parts) {
      if (part.rows !== rows) throw new RangeError(`parts have ${part.rows} and ${rows} rows`);
      for (let i = 0; i < rows; i++) out.data.set(part.row(i), i * columns + offset);
      offset += part.columns;
    }
    return out;
  }

  /** Matrices below each other. Throws RangeError when the numbers of columns differ. */
  static stacked(parts: readonly Matrix[], columns = parts[0]?.columns ?? 0): Matrix {
    const rows = parts.reduce((n, p) => n + p.rows, 0);
    const out = new Matrix(rows, columns);
    let offset = 0;
    for (const part of parts) {
      if (part.columns !== columns) throw new RangeError(`parts have ${part.columns} and ${columns} columns`);
      out.data.set(part.data, offset);
      offset += part.data.length;
    }
    return out;
  }

  /** Largest absolute entry; 0 for an empty matrix. */
  maximum(): number {
    let m = 0;
    for (const v of this.data) {
      const a = Math.abs(v);
      if (a > m) m = a;
    }
    return m;
  }

  /** Divides every row by its length; rows shorter than `floor` become zero. In place. */
  normaliseRows(floor = 1e-300): this {
    for (let i = 0; i < this.rows; i++) {
      const row = this.row(i);
      const length = norm(row);
      const f = length > floor ? 1 / length : 0;
      for (let j = 0; j < row.length; j++) row[j]! *= f;
    }
    return this;
  }
}

/** Euclidean length. */
export function norm(x: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * x[i]!;
  return Math.sqrt(sum);
}

/** Inner product. */
export function dot(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
}
