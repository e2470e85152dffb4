/**
 * @file Tables of several fields: one embedding for all categorical features, whose ids are told apart by adding an offset to each
 * (factorisation machines, recommenders). Each field reads rows of its own, so that each is a table of its own.
 */
import type { Node } from "../graph/graph";
import { int64Vector } from "../graph/tensor";
import { smallConstant } from "./constants";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

/** Fields up to which a table is taken apart. */
const MOST_FIELDS = 64;

/** A table that is read by fields. */
interface Fields {
  readonly table: Value;
  readonly ids: Value;
  /** The axis of the ids that runs over fields. */
  readonly axis: number;
  /** Rows of each field, and the first row of each. */
  readonly rows: number;
  readonly offsets: readonly number[];
}

/** Takes tables of several fields apart; true if there was one. */
export function separateFields(w: Workspace): boolean {
  const found = new Map<Item, Fields>();
  for (const item of w.itemsOf("Gather")) {
    const fields = fieldsOf(w, item);
    if (fields) found.set(item, fields);
  }
  if (found.size === 0) return false;
  w.note("ids that an offset tells apart are taken to stay within the rows of their own field");
  w.rewrite((item) => {
    const fields = found.get(item);
    if (!fields) return w.add(item.node);
    const { node } = item;
    const { table, ids, axis, rows, offsets } = fields;
    const add = (operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}): string => {
      const name = w.fresh(`${node.name}/${operator}`);
      w.add({ ...node, name, operator, domain: "", inputs, outputs: [name], attributes });
      return w.resolve(name);
    };
    const one = (k: number): string => w.addConstant(int64Vector([k]));
    const slice = (value: string, start: number, end: number, along: number): string =>
      add("Slice", [value, one(start), one(end), one(along), one(1)]);
    const parts = offsets.map((offset, k) =>
      add("Gather", [slice(table.name, offset, offset + rows, 0), slice(ids.name, k, k + 1, axis)], { axis: 0 }),
    );
    w.add({ ...node, operator: "Concat", inputs: parts, attributes: { axis } });
  });
  return true;
}

/** The fields of a look-up in a weight with ids to which offsets of one field after the other are added, all of equal size. */
function fieldsOf(w: Workspace, { node, inputs }: Item): Fields | undefined {
  if (node.operator !== "Gather" || node.domain !== "" || (node.attributes["axis"] ?? 0) !== 0) return undefined;
  const [table, index] = inputs;
  const sum = index?.writer;
  if (!table || !w.parameters.has(table.name) || sum?.node.operator !== "Add" || sum.node.domain !== "") return undefined;
  const [a, b] = sum.inputs as [Value, Value];
  const [ids, added] = a.constant === undefined ? [a, b] : [b, a];
  const offsets = smallConstant(added);
  const shape = ids.type.shape;
  const size = table.type.shape?.[0];
  if (!offsets || !shape || size === undefined || ids.constant !== undefined) return undefined;
  const varying = added.constant!.shape.flatMap((n, i) => (n > 1 ? [i - added.constant!.shape.length] : []));
  if (varying.length !== 1 || offsets.length > MOST_FIELDS) return undefined;
  const axis = shape.length + varying[0]!;
  // Each offset has its own ids, and what is read has the ids' shape.
  if (axis < 0 || shape[axis] !== offsets.length || index!.type.shape?.join() !== shape.join()) return undefined;
  const rows = size / offsets.length;
  if (!offsets.every((offset, k) => offset === k * rows)) return undefined;
  return { table, ids, axis, rows, offsets: Array.from(offsets) };
}
