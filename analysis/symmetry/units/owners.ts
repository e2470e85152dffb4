/** @file Whose the classes of proportional unknowns are: which unknowns of which parameters belong to each root. */
import type { Graph } from "../../graph/graph";
import { type Cell, cellOf, type CellTable } from "./cells";
import type { LinearSystem } from "./solve";

/** The unknowns of trainable parameters by their root, zero ones left out. There are as many as a deep graph has weights. */
export class Owners {
  /** By root: one more than the position of the last of its unknowns in the lists below. */
  private readonly last: Int32Array;
  private readonly unknowns: number[] = [];
  /** The parameter's number. */
  private readonly values: number[] = [];
  /** One more than the position of the unknown before it that has the same root; 0 for the first. */
  private readonly before: number[] = [];
  /** Roots that parameters have, in the order of the first one. */
  readonly roots: number[] = [];

  constructor(
    private readonly table: CellTable,
    private readonly system: LinearSystem,
  ) {
    this.last = new Int32Array(system.count);
  }

  /** Adds an unknown of a parameter, given by its number. Unknowns come in order. */
  add(unknown: number, value: number): void {
    const root = this.system.root(unknown);
    if (this.system.isZero(root)) return;
    if (this.last[root] === 0) this.roots.push(root);
    this.before.push(this.last[root]!);
    this.values.push(value);
    this.last[root] = this.unknowns.push(unknown);
  }

  has(root: number): boolean {
    return this.last[root] !== 0;
  }

  /** The last unknown of a root. */
  lastOf(root: number): Owner | undefined {
    return this.last[root] === 0 ? undefined : this.owner(this.last[root]! - 1);
  }

  /** All unknowns of a root, the last one first. */
  of(root: number): Owner[] {
    const out: Owner[] = [];
    for (let at = this.last[root]!; at > 0; at = this.before[at - 1]!) out.push(this.owner(at - 1));
    return out;
  }

  /** Which sign the ratios of a root's unknowns have: 1, -1, or 0 for both. */
  signOf(root: number): number {
    let sign = 0;
    for (let at = this.last[root]!; at > 0; at = this.before[at - 1]!) {
      const own = Math.sign(this.system.ratio(this.unknowns[at - 1]!));
      if (sign !== 0 && own !== sign) return 0;
      sign = own;
    }
    return sign;
  }

  private owner(at: number): Owner {
    const unknown = this.unknowns[at]!;
    const value = this.values[at]!;
    const tensor = this.table.at(value)!;
    const cell = cellOf(tensor, unknown);
    const mask = cell.masks[unknown - tensor.first - cell.offset]!;
    return { unknown, ratio: this.system.ratio(unknown), parameter: this.table.numbering.names[value]!, cell, mask };
  }
}

/** One unknown of a parameter, as a multiple of its root. */
export interface Owner {
  readonly unknown: number;
  readonly ratio: number;
  readonly parameter: string;
  readonly cell: Cell;
  readonly mask: number;
}

/** All of them. */
export function parameterUnknowns(graph: Graph, table: CellTable, system: LinearSystem): Owners {
  const out = new Owners(table, system);
  let at = 0;
  for (const p of graph.parameters.values()) {
    const value = table.numbering.parameters[at++]!;
    const tensor = p.trainable ? table.at(value) : undefined;
    for (let k = 0; tensor !== undefined && k < tensor.unknowns; k++) out.add(tensor.first + k, value);
  }
  return out;
}
