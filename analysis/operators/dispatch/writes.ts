/** @file Writing rows at places of a tensor, of which only those count that a mask picks: every row is written, behind the mask. */
import type { Node } from "../../graph/graph";
import { elementCount, int64Vector, scalar, type Shape, type Tensor, tensor } from "../../graph/tensor";
import type { Builder } from "../operator";

/** Rows that are written into a tensor. */
export interface RowWrite {
  readonly data: string;
  readonly updates: string;
  /** One truth value for each row. */
  readonly mask: string;
  /** The axis of the rows in the updates. */
  readonly axis: number;
  /** For each row, the place that it is written to along the merged axes `axis` to `axis + depth - 1` of the data. */
  readonly places: readonly number[];
  readonly depth: number;
  readonly adds: boolean;
}

/** Beyond this many rows for one place each of them would cost more than it tells. */
const MOST_TURNS = 64;

/**
 * Rows apart by how many before them are written to the same place, so that each part writes each place once. Of an assignment the
 * last row that counts stays, so later parts come later.
 */
function turnsOf(places: readonly number[]): number[][] {
  const turns: number[][] = [];
  const count = new Map<number, number>();
  places.forEach((place, row) => {
    const turn = count.get(place) ?? 0;
    count.set(place, turn + 1);
    (turns[turn] ??= []).push(row);
  });
  return turns;
}

function isRun(rows: readonly number[]): boolean {
  return rows.every((row, i) => row === rows[0]! + i);
}

/** Some rows of a value. */
function rowsOf(l: Builder, value: string, axis: number, rows: readonly number[]): string {
  const size = l.type(value).shape![axis];
  if (isRun(rows)) {
    if (rows.length === size) return value;
    const bounds = [rows[0]!, rows[0]! + rows.length, axis, 1].map((n) => l.addConstant(int64Vector([n])));
    return l.add("Slice", [value, ...bounds]);
  }
  return l.add("Gather", [value, l.addConstant(int64Vector(rows))], { axis });
}

function reshaped(l: Builder, value: string, shape: Shape): string {
  const own = l.type(value).shape;
  if (own?.length === shape.length && own.every((size, k) => size === shape[k])) return value;
  return l.add("Reshape", [value, l.addConstant(int64Vector(shape))]);
}

/** The data with all rows written that the mask picks; undefined where not each place is written as often as the others. */
export function writtenRows(l: Builder, write: RowWrite): string | undefined {
  const shape = l.type(write.data).shape;
  const { updates, mask, axis, places, depth, adds } = write;
  if (shape === undefined) return undefined;
  const count = elementCount(shape.slice(axis, axis + depth));
  const turns = turnsOf(places);
  if (turns.length > MOST_TURNS || turns.some((rows) => rows.length !== count)) return undefined;
  const { type } = l.type(write.data);
  const flat = [...shape.slice(0, axis), count, ...shape.slice(axis + depth)];
  let data = reshaped(l, write.data, flat);
  const zero = adds ? l.addConstant(scalar(0, type)) : "";
  for (const turn of turns) {
    const rows = turn.toSorted((a, b) => places[a]! - places[b]!);
    const picked = rowsOf(l, mask, 0, rows);
    const condition = reshaped(
      l,
      picked,
      flat.slice(axis).map((_, k) => (k === 0 ? count : 1)),
    );
    const fresh = rowsOf(l, updates, axis, rows);
    data = adds ? l.add("Add", [data, l.add("Where", [condition, fresh, zero])]) : l.add("Where", [condition, fresh, data]);
  }
  return reshaped(l, data, shape);
}

/** Places that ScatterND's indices of shape [rows, depth] point to along the merged first axes; undefined where one is outside. */
export function placesOf(indices: Tensor, shape: Shape): number[] | undefined {
  const depth = indices.shape[1]!;
  const places: number[] = [];
  for (let row = 0; row < indices.shape[0]!; row++) {
    let place = 0;
    for (let k = 0; k < depth; k++) {
      const size = shape[k]!;
      const at = indices.data[row * depth + k]!;
      if (!(at >= -size && at < size)) return undefined;
      place = place * size + (at < 0 ? at + size : at);
    }
    places.push(place);
  }
  return places;
}

/** Places along one axis that ScatterElements' indices name, where they name the same one for all that is in a row. */
export function placesAlong(indices: Tensor, axis: number, size: number): number[] | undefined {
  const rows = indices.shape[axis]!;
  const inner = elementCount(indices.shape.slice(axis + 1));
  const places = Array.from({ length: rows }, (_, row) => indices.data[row * inner]!);
  if (indices.data.some((at, i) => at !== places[Math.floor(i / inner) % rows])) return undefined;
  if (places.some((at) => !(at >= -size && at < size))) return undefined;
  return places.map((at) => (at < 0 ? at + size : at));
}

/** The coordinates of entries of a tensor (all of them unless told), as NonZero gives them where no others are set. */
export function coordinatesOf(shape: Shape, entries?: readonly number[]): Tensor {
  const count = entries?.length ?? elementCount(shape);
  const data = new Float64Array(shape.length * count);
  let inner = elementCount(shape);
  shape.forEach((size, k) => {
    inner /= size;
    for (let i = 0; i < count; i++) data[k * count + i] = Math.floor((entries?.[i] ?? i) / inner) % size;
  });
  return tensor([shape.length, count], data, "int64");
}

/** Whether a node writes at indices. */
export function isWrite(node: Node): boolean {
  return (
    node.domain === "" && (node.operator === "ScatterND" || node.operator === "ScatterElements" || node.operator === "Scatter")
  );
}
