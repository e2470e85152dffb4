/**
 * @file Places boxes and routes lines by ELK's layered algorithm (Eclipse Layout Kernel; Schulze, Spönemann and von Hanxleden,
 * Drawing layered graphs with port constraints, 2014). It takes seconds for a thousand boxes: call it in a process of its own.
 */
import ELK, { type ElkExtendedEdge, type ElkNode } from "elkjs/lib/elk.bundled.js";

/** A box to place: a leaf with its size, or a frame around others. */
export interface LayoutBox {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  /** The frame that it is in. */
  readonly parent?: string;
}

/** What is to be placed. */
export interface LayoutRequest {
  readonly boxes: readonly LayoutBox[];
  /** Lines between boxes, by id; not between a box and its frame. */
  readonly lines: readonly (readonly [from: string, to: string])[];
}

/** Where things are, in pixels from the upper left corner. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly {
    readonly id: string;
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
  }[];
  /** Corners of each line, x and y in turn, in the order of the request. */
  readonly lines: readonly (readonly number[])[];
}

/** Space above the contents of a frame, for its title. */
const FRAME_TITLE = 26;

/** Beyond this number of boxes lines are drawn by the faster of ELK's methods. */
const MANY = 400;

/** Lays a graph out from top to bottom. @throws Error when ELK refuses it */
export async function layout(request: LayoutRequest): Promise<Layout> {
  const children = new Map<string | undefined, LayoutBox[]>();
  for (const box of request.boxes) {
    const siblings = children.get(box.parent);
    if (siblings) siblings.push(box);
    else children.set(box.parent, [box]);
  }
  const many = request.boxes.length > MANY;
  const node = (box: LayoutBox): ElkNode => {
    const inside = children.get(box.id);
    return inside
      ? {
          id: box.id,
          children: inside.map(node),
          layoutOptions: { "elk.padding": `[top=${FRAME_TITLE + 10},left=14,bottom=14,right=14]` },
        }
      : { id: box.id, width: box.width, height: box.height };
  };
  const edges = request.lines.map(([from, to], i): ElkExtendedEdge => ({ id: `l${i}`, sources: [from], targets: [to] }));
  const placed: ElkNode = await new ELK().layout(
    { id: "root", children: (children.get(undefined) ?? []).map(node), edges },
    {
      layoutOptions: {
        "elk.algorithm": "layered",
        "elk.direction": "DOWN",
        "elk.hierarchyHandling": "INCLUDE_CHILDREN",
        "elk.edgeRouting": "ORTHOGONAL",
        "elk.json.edgeCoords": "ROOT",
        "elk.spacing.nodeNode": "24",
        "elk.layered.spacing.nodeNodeBetweenLayers": "28",
        "elk.layered.spacing.edgeNodeBetweenLayers": "12",
        "elk.layered.nodePlacement.strategy": many ? "LINEAR_SEGMENTS" : "BRANDES_KOEPF",
        ...(many ? { "elk.layered.thoroughness": "2" } : {}),
      },
    },
  );
  const boxes: { id: string; x: number; y: number; width: number; height: number }[] = [];
  const collect = (parent: ElkNode, dx: number, dy: number): void => {
    for (const child of parent.children ?? []) {
      const x = dx + (child.x ?? 0);
      const y = dy + (child.y ?? 0);
      boxes.push({ id: child.id, x, y, width: child.width ?? 0, height: child.height ?? 0 });
      collect(child, x, y);
    }
  };
  collect(placed, 0, 0);
  const routed = new Map((placed.edges ?? []).map((e) => [e.id, e]));
  const lines = request.lines.map((_, i) => {
    const section = routed.get(`l${i}`)?.sections?.[0];
    if (!section) return [];
    return [section.startPoint, ...(section.bendPoints ?? []), section.endPoint].flatMap(({ x, y }) => [x, y]);
  });
  return { width: placed.width ?? 0, height: placed.height ?? 0, boxes, lines };
}
