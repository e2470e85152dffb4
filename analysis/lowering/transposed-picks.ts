/**
 * @file What is picked of a transposed weight is picked of the weight and transposed then: `w.t().chunk(3, 1)` are three slices of
 * w's first axis.
 */
import type { Node } from "../graph/graph";
import { smallConstant } from "./constants";
import { PICKING } from "./picks";
import type { Workspace } from "./workspace";
import type { Item } from "./values";

/** Moves selections along one axis in front of transposes of parameters; true if there was one. */
export function pickBeforeTransposing(w: Workspace): boolean {
  const found = new Map<Item, { readonly from: string; readonly perm: readonly number[] }>();
  for (const item of w.itemsOf(...PICKING)) {
    const transpose = isSelection(item) ? item.inputs[0]?.writer : undefined;
    const perm = transpose?.node.attributes["perm"];
    if (transpose?.node.operator !== "Transpose" || transpose.node.domain !== "" || !Array.isArray(perm)) continue;
    const from = transpose.inputs[0]!;
    if (w.parameters.has(from.name)) found.set(item, { from: from.name, perm: perm as readonly number[] });
  }
  if (found.size === 0) return false;
  w.rewrite((item) => {
    const picked = found.get(item);
    const nodes = picked && picksFirst(w, item, picked.from, picked.perm);
    if (!nodes) return w.add(item.node);
    for (const node of nodes) w.add(node);
  });
  return true;
}

function isSelection({ node, outputs }: Item): boolean {
  return node.domain === "" && (node.operator === "Slice" || node.operator === "Gather") && outputs[0]?.type.shape !== undefined;
}

/** The selection, then the transpose of what is left; undefined where positions are data. */
function picksFirst(w: Workspace, { node, inputs }: Item, from: string, perm: readonly number[]): readonly Node[] | undefined {
  const inner = w.fresh(`${node.name}/picked`);
  if (node.operator === "Slice") {
    const axes = smallConstant(inputs[3]);
    if (axes?.length !== 1) return undefined;
    const moved = { type: "int64", shape: [axes.length], data: axes.map((a) => perm[a]!) } as const;
    const read = [from, node.inputs[1]!, node.inputs[2]!, w.addConstant(moved), node.inputs[4]!];
    return [
      { ...node, name: inner, inputs: read, outputs: [inner] },
      { ...node, operator: "Transpose", inputs: [inner], attributes: { perm } },
    ];
  }
  const { axis = 0 } = node.attributes;
  const index = inputs[1]?.constant;
  if (typeof axis !== "number" || index?.shape.length !== 0) return undefined;
  const at = perm[axis < 0 ? axis + perm.length : axis]!;
  // The axes behind the one that is gone move up.
  const left = perm.filter((p) => p !== at).map((p) => (p > at ? p - 1 : p));
  return [
    { ...node, name: inner, inputs: [from, node.inputs[1]!], outputs: [inner], attributes: { axis: at } },
    { ...node, operator: "Transpose", inputs: [inner], attributes: { perm: left } },
  ];
}
