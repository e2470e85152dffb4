/**
 * @file The record of writes that lets the evaluator try both sides of a test it cannot decide, take a run back, and
 * join what the two sides left behind. Every write to a shared object goes through here.
 */
import type { ListValue, TensorValue, Value } from "./value";

type TensorFields = Pick<TensorValue, "value" | "type" | "shape" | "constant" | "parameter" | "view" | "version" | "drawn">;

/** One place that was written, with what it held before. */
type Entry =
  | {
      readonly kind: "map";
      readonly map: Map<string, unknown>;
      readonly key: string;
      readonly had: boolean;
      readonly old: unknown;
    }
  | { readonly kind: "list"; readonly list: ListValue; readonly old: Value[] }
  | { readonly kind: "tensor"; readonly tensor: TensorValue; readonly old: TensorFields }
  | { readonly kind: "undo"; readonly undo: () => void };

/** What a branch left in one place. */
export type Written =
  | {
      readonly kind: "map";
      readonly map: Map<string, unknown>;
      readonly key: string;
      readonly has: boolean;
      readonly value: unknown;
    }
  | { readonly kind: "list"; readonly list: ListValue; readonly items: Value[] }
  | { readonly kind: "tensor"; readonly tensor: TensorValue; readonly fields: TensorFields };

function fieldsOf(t: TensorValue): TensorFields {
  return {
    value: t.value,
    type: t.type,
    shape: t.shape,
    constant: t.constant,
    parameter: t.parameter,
    view: t.view,
    version: t.version,
    drawn: t.drawn,
  };
}

/** Changes of objects, which can be taken back to a mark: attempts leave no trace. */
export class Journal {
  private entries: Entry[] = [];
  private marks: number[] = [];

  /** Starts a region that can be taken back. */
  begin(): void {
    this.marks.push(this.entries.length);
  }

  /** Ends the innermost region and keeps its writes. */
  commit(): void {
    this.marks.pop();
    if (this.marks.length === 0) this.entries = [];
  }

  /** Ends the innermost region, restores what it overwrote and returns what it had written. */
  rollback(): Written[] {
    const mark = this.marks.pop() ?? 0;
    const written: Written[] = [];
    const seen = new Map<object, Set<string>>();
    const first = (o: object, key: string): boolean => {
      let keys = seen.get(o);
      if (!keys) {
        keys = new Set();
        seen.set(o, keys);
      }
      if (keys.has(key)) return false;
      keys.add(key);
      return true;
    };
    for (let i = this.entries.length - 1; i >= mark; i--) {
      const e = this.entries[i]!;
      if (e.kind === "map" && first(e.map, e.key)) {
        written.push({ kind: "map", map: e.map, key: e.key, has: e.map.has(e.key), value: e.map.get(e.key) });
      } else if (e.kind === "list" && first(e.list, "")) written.push({ kind: "list", list: e.list, items: e.list.items });
      else if (e.kind === "tensor" && first(e.tensor, ""))
        written.push({ kind: "tensor", tensor: e.tensor, fields: fieldsOf(e.tensor) });
    }
    for (let i = this.entries.length - 1; i >= mark; i--) {
      const e = this.entries[i]!;
      if (e.kind === "map") {
        if (e.had) e.map.set(e.key, e.old);
        else e.map.delete(e.key);
      } else if (e.kind === "list") e.list.items = e.old;
      else if (e.kind === "tensor") Object.assign(e.tensor, e.old);
      else e.undo();
    }
    this.entries.length = mark;
    return written;
  }

  private get active(): boolean {
    return this.marks.length > 0;
  }

  /** Stops recording until the returned function is called. */
  suspend(): () => void {
    const { marks, entries } = this;
    this.marks = [];
    this.entries = [];
    return () => {
      this.marks = marks;
      this.entries = entries;
    };
  }

  set<V>(map: Map<string, V>, key: string, value: V): void {
    if (this.active)
      this.entries.push({ kind: "map", map: map as Map<string, unknown>, key, had: map.has(key), old: map.get(key) });
    map.set(key, value);
  }

  delete<V>(map: Map<string, V>, key: string): void {
    if (this.active)
      this.entries.push({ kind: "map", map: map as Map<string, unknown>, key, had: map.has(key), old: map.get(key) });
    map.delete(key);
  }

  /** Replaces the items of a list. */
  setItems(list: ListValue, items: Value[]): void {
    if (this.active) this.entries.push({ kind: "list", list, old: list.items });
    list.items = items;
  }

  /** Adds to a list; cheap when no region is open. */
  push(list: ListValue, ...items: Value[]): void {
    if (this.active) this.setItems(list, [...list.items, ...items]);
    else list.items.push(...items);
  }

  /** Overwrites fields of a tensor, for in-place operators. */
  setTensor(tensor: TensorValue, fields: Partial<TensorFields>): void {
    if (this.active) this.entries.push({ kind: "tensor", tensor, old: fieldsOf(tensor) });
    Object.assign(tensor, fields);
  }

  /** Registers how to take back a write to anything else. */
  onRollback(undo: () => void): void {
    if (this.active) this.entries.push({ kind: "undo", undo });
  }
}
