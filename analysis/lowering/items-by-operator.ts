/** @file The items of a workspace by operator: each pass looks for a few operators, of which most graphs have none. */
import type { Item } from "./values";

const NONE: readonly Item[] = [];

/** An index of a list of items, made when it is asked for and made anew when the list is another or longer one. */
export class ItemsByOperator {
  #items = NONE;
  #count = 0;
  #byOperator = new Map<string, Item[]>();

  /** The items of the given operators, of ONNX itself, in the order of the list. */
  of(items: readonly Item[], operators: readonly string[]): readonly Item[] {
    if (this.#items !== items || this.#count !== items.length) this.#read(items);
    const there = operators.filter((o) => this.#byOperator.has(o));
    if (there.length < 2) return this.#byOperator.get(there[0] ?? "") ?? NONE;
    const wanted = new Set(there);
    return items.filter(({ node }) => node.domain === "" && wanted.has(node.operator));
  }

  #read(items: readonly Item[]): void {
    this.#byOperator = new Map();
    for (const item of items) {
      const { domain, operator } = item.node;
      if (domain !== "") continue;
      const list = this.#byOperator.get(operator);
      if (list) list.push(item);
      else this.#byOperator.set(operator, [item]);
    }
    this.#items = items;
    this.#count = items.length;
  }
}
