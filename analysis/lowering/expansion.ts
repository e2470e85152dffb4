/**
 * @file First pass of the normal form: constants are folded and every operator is rewritten until only primitives and
 * opaque operators are left. Each value that a lowering asks for is lowered at once, so one sweep over the nodes is a
 * fixpoint and the work is linear in what comes out.
 */
import { GraphError } from "../graph/error";
import { CAPTURED_INPUTS, formalInputs, type Graph, type Node, type Parameter } from "../graph/graph";
import type { Origin } from "../graph/source";
import type { Tensor, TensorType } from "../graph/tensor";
import type { Lowering, Operator } from "../operators/operator";
import { misuse } from "../operators/signatures";
import { operatorTable } from "../operators/table";
import type { WholeContext } from "../operators/whole";
import { freeValues, substitute } from "./bodies";
import { SequenceUses, stepsToUnroll } from "./recurrence";
import { SEQUENCE_OPERATORS, Sequences } from "./sequences";
import type { ValueAxis } from "./uniform";
import { INVALID_DOMAIN, isGraph, NORMAL_OPSET, type Workspace } from "./workspace";
import type { Item, Value } from "./values";

/** Lowerings nest a handful of levels; far more means that one of them makes itself. */
const DEEPEST = 48;

/** Unrolling stops when the graph has grown to this many nodes. */
const MOST_NODES = 2_000_000;

/** Of more nodes that contradict their operators only the number is told. */
const MOST_NOTED = 8;

/** Where the nodes of a lowering come from. */
interface Place {
  readonly origin: Origin;
  /** Start of the names of what is made there. */
  readonly base: string;
  readonly opset: number;
  readonly depth: number;
  /** Whether it is in an inlined body. */
  readonly inBody: boolean;
}

/** The node that stays in the place of a given one; undefined for one that is to be lowered. */
export type Keep = (node: Node, context: WholeContext) => Node | undefined;

/** Folds and lowers all nodes of the workspace's source graph, but for those that `keep` wants as they are. */
export function expand(workspace: Workspace, maxRecurrentSteps: number, keep?: Keep): void {
  const expansion = new Expansion(workspace, maxRecurrentSteps, keep);
  const { nodes, opset } = workspace.source;
  const items = nodes.map((node) => expansion.open(node));
  markReads(workspace, items);
  for (let k = 0; k < items.length; k++) {
    const item = workspace.current(items[k]!);
    checkOutputs(workspace, item);
    const { origin, name } = nodes[k]!;
    expansion.process(item, { origin, base: name, opset, depth: 0, inBody: false });
  }
  workspace.outputs = workspace.outputs.map((o) => workspace.resolve(o));
  const absent = workspace.outputs.find((o) => !workspace.isDefined(workspace.value(o)));
  if (absent !== undefined) {
    const place = `output ${absent === "" ? "without a name" : absent}`;
    const { name } = workspace.source;
    throw new GraphError({ graph: name, place, problem: "nothing writes it", expected: "a node that does" });
  }
  expansion.noteRefused();
}

/** Notes which values the source graph, whose nodes the items are, reads. */
function markReads(workspace: Workspace, items: readonly Item[]): void {
  const read = (name: string) => {
    workspace.value(name).isRead = true;
  };
  for (const { node, inputs } of items) {
    for (let k = 0; k < inputs.length; k++) inputs[k]!.isRead = true;
    if (!holdsGraphs(node)) continue;
    for (const attribute of Object.values(node.attributes)) if (isGraph(attribute)) freeValues(attribute).captured.forEach(read);
  }
  workspace.source.outputs.forEach(read);
}

/** Throws GraphError where a node writes a value that is there already. */
function checkOutputs(workspace: Workspace, { node, outputs }: Item): void {
  for (const o of outputs) {
    if (o.name === "" || !workspace.isDefined(o)) continue;
    throw new GraphError({
      graph: workspace.source.name,
      place: `${node.operator} ${node.name}`,
      problem: `it writes ${o.name}, which is there already`,
      expected: "one writer for each value",
    });
  }
}

class Expansion {
  /** Names under which the parameters of inlined bodies were added: one parameter however often it is inlined. */
  readonly #parameters = new WeakMap<Parameter, string>();
  /** What was wrong with the nodes that stay opaque. */
  readonly #refused: string[] = [];
  #uses: SequenceUses | undefined;
  readonly #sequences = new Sequences();
  readonly #follow = (l: Lowering) => this.#sequences.follow(l);

  constructor(
    private readonly workspace: Workspace,
    private readonly maxRecurrentSteps: number,
    private readonly keep: Keep | undefined,
  ) {}

  /** How many steps to unroll at most; inside of bodies, whose readers are not known here, all of them. */
  recurrentSteps(read: readonly ValueAxis[], written: readonly ValueAxis[], place: Place): number {
    if (place.inBody) return Number.POSITIVE_INFINITY;
    const uses = () => (this.#uses ??= new SequenceUses(this.workspace, this.workspace.source));
    return stepsToUnroll(this.workspace, uses, read, written, this.maxRecurrentSteps);
  }

  /** Whether anything may read a value that a node writes; inside of bodies all of them. */
  isUsed(value: Value | undefined, place: Place): boolean {
    if (value === undefined || value.name === "") return false;
    return place.depth > 0 || place.inBody || value.isRead;
  }

  /** A node with its values. */
  open(given: Node): Item {
    return this.workspace.open(given.domain === "ai.onnx" ? { ...given, domain: "" } : given);
  }

  /** Adds a node, lowered as far as it goes. */
  process(item: Item, place: Place): void {
    const w = this.workspace;
    const { node } = item;
    const misused = place.depth === 0 || place.inBody ? this.misused(item) : undefined;
    const entry = misused === undefined ? operatorTable(node.operator, node.domain) : undefined;
    if (w.fold(item, entry, place.opset)) return;
    const problem = w.infer(item, entry, place.opset) ?? misused;
    if (problem !== undefined) {
      const sentence = problem.replace(`${node.operator}: `, "").replace(`${node.operator} ${node.name}: `, "");
      this.#refused.push(`${node.operator} ${node.name}: ${sentence}`);
      w.addTyped(w.open(this.withCaptures({ ...node, domain: INVALID_DOMAIN })), undefined);
      return;
    }
    const kept = entry?.lower === undefined ? undefined : this.keep?.(node, this.contextOf(item, place));
    if (kept !== undefined) {
      w.addTyped(kept === node ? item : w.reopen(item, kept), entry);
      return;
    }
    const lower = place.depth < DEEPEST ? entry?.lower : undefined;
    const followed = SEQUENCE_OPERATORS.has(node.operator) ? this.attempt(this.#follow, item, place) : undefined;
    const values = followed ?? (lower === undefined ? undefined : this.attempt(lower, item, place));
    if (values !== undefined) {
      node.outputs.forEach((name, i) => w.replace(name, values[i] ?? ""));
      return;
    }
    const hasBodies = holdsGraphs(node);
    w.addTyped(hasBodies ? w.open(this.withCaptures(node)) : item, hasBodies ? undefined : entry);
  }

  private contextOf({ inputs, outputs }: Item, place: Place): WholeContext {
    return {
      input: (k) => inputs[k]?.type,
      isUsed: (k) => this.isUsed(outputs[k], place),
      opset: place.opset,
    };
  }

  /** What is wrong with a node of the source, apart from shapes: the door that no rule behind has to guard again. */
  private misused({ node, inputs }: Item): string | undefined {
    for (let k = 0; k < inputs.length; k++) {
      if (!this.workspace.isDefined(inputs[k]!))
        return `${node.operator} ${node.name}: it reads ${inputs[k]!.name}, which nothing before it writes`;
    }
    return misuse(node);
  }

  /** Tells of the nodes that contradict their operators. */
  noteRefused(): void {
    const refused = this.#refused;
    for (const problem of refused.slice(0, MOST_NOTED))
      this.workspace.note(`opaque because it contradicts its operator: ${problem}`);
    if (refused.length > MOST_NOTED) this.workspace.note(`${refused.length - MOST_NOTED} more nodes contradict their operators`);
  }

  /** The values that a lowering gives, undefined where it does not apply. */
  private attempt(lower: NonNullable<Operator["lower"]>, item: Item, place: Place): readonly string[] | undefined {
    try {
      const values = lower(new NodeLowering(this, this.workspace, item, place));
      if (values === undefined) return undefined;
      return item.outputs.every((o, i) => (values[i] ?? "") !== "" || !this.isUsed(o, place)) ? values : undefined;
    } catch {
      return undefined; // what was added so far is read by nobody and goes with the dead code
    }
  }

  /** Adds the nodes of a body under new names; returns what its outputs are called. */
  inline(body: Graph, inputs: readonly string[], place: Place): readonly string[] {
    const w = this.workspace;
    if (w.items.length > MOST_NODES) throw new RangeError("too many nodes");
    const scope = new Map<string, string>();
    body.inputs.forEach((input, i) => scope.set(input.name, inputs[i] ?? ""));
    for (const [name, tensor] of body.constants) scope.set(name, w.addConstant(tensor, name));
    for (const [name, parameter] of body.parameters) scope.set(name, this.bodyParameter(parameter));
    for (const node of body.nodes) {
      for (const o of node.outputs) if (o !== "") scope.set(o, w.fresh(`${place.base}/${o}`));
    }
    const rename = (value: string) => w.resolve(scope.get(value) ?? value);
    for (const node of body.nodes) {
      const renamed: Node = {
        ...node,
        name: w.fresh(`${place.base}/${node.name}`),
        inputs: node.inputs.map(rename),
        outputs: node.outputs.map((o) => scope.get(o) ?? o),
        attributes: mapGraphs(node.attributes, (g) => substitute(g, scope)),
      };
      this.process(this.open(renamed), {
        origin: node.origin,
        base: place.base,
        opset: body.opset,
        depth: place.depth + 1,
        inBody: true,
      });
    }
    return body.outputs.map(rename);
  }

  private bodyParameter(parameter: Parameter): string {
    const known = this.#parameters.get(parameter);
    if (known !== undefined) return known;
    const name = this.workspace.addParameter(parameter);
    this.#parameters.set(parameter, name);
    return name;
  }

  /**
   * A node that keeps its graph-valued attributes is opaque: what those read from around them, and the parameters inside
   * them, are listed behind its inputs (see CAPTURED_INPUTS), so that they count as read.
   */
  private withCaptures(node: Node): Node {
    const extra = new Set<string>();
    const attributes = mapGraphs(node.attributes, (graph) => {
      const { captured, parameters } = freeValues(graph);
      const scope = new Map<string, string>();
      for (const p of parameters) extra.add(this.bodyParameter(p));
      for (const value of captured) {
        scope.set(value, this.workspace.resolve(value));
        extra.add(this.workspace.resolve(value));
      }
      return substitute(graph, scope);
    });
    if (extra.size === 0) return node;
    return {
      ...node,
      attributes: { ...attributes, [CAPTURED_INPUTS]: extra.size },
      inputs: [...formalInputs(node), ...extra],
    };
  }
}

const NO_ATTRIBUTES: Node["attributes"] = {};

/** The lowering of one node. */
class NodeLowering implements Lowering {
  readonly opset: number;
  readonly node: Node;
  #inner: Place | undefined;

  constructor(
    private readonly expansion: Expansion,
    private readonly workspace: Workspace,
    private readonly item: Item,
    private readonly place: Place,
  ) {
    this.node = item.node;
    this.opset = place.opset;
  }

  type(value: string): TensorType {
    return this.workspace.type(value);
  }

  constant(value: string): Tensor | undefined {
    return this.workspace.constant(value);
  }

  addConstant(tensor: Tensor): string {
    return this.workspace.addConstant(tensor, this.place.base);
  }

  add(operator: string, inputs: readonly string[], attributes: Node["attributes"] = NO_ATTRIBUTES): string {
    const output = this.workspace.fresh(`${this.place.base}/${operator}`);
    const { origin } = this.place;
    const node = { name: output, operator, domain: "", inputs, outputs: [output], attributes, origin };
    this.#inner ??= { ...this.place, opset: NORMAL_OPSET, depth: this.place.depth + 1 };
    this.expansion.process(this.expansion.open(node), this.#inner);
    return this.workspace.resolve(output);
  }

  isUsed(index: number): boolean {
    return this.expansion.isUsed(this.item.outputs[index], this.place);
  }

  inline(body: Graph, inputs: readonly string[]): readonly string[] {
    return this.expansion.inline(body, inputs, { ...this.place, depth: this.place.depth + 1 });
  }

  recurrentSteps(read: readonly ValueAxis[], written: readonly ValueAxis[]): number {
    return this.expansion.recurrentSteps(read, written, this.place);
  }

  note(text: string): void {
    this.workspace.note(text);
  }
}

function holdsGraphs({ attributes }: Node): boolean {
  for (const name in attributes) if (isGraph(attributes[name]!)) return true;
  return false;
}

function mapGraphs(attributes: Node["attributes"], change: (graph: Graph) => Graph): Node["attributes"] {
  const entries = Object.entries(attributes);
  if (!entries.some(([, value]) => isGraph(value))) return attributes;
  return Object.fromEntries(entries.map(([name, value]) => [name, isGraph(value) ? change(value) : value]));
}
