/** @file The call that makes a model, as Python text: what an export runs to make the same model as was analysed. */
import type { Arguments, ClassValue, InstanceValue, Value } from "../values/value";

/** Instances with what made them. */
export type Constructions = ReadonlyMap<InstanceValue, { readonly cls: ClassValue; readonly args: Arguments }>;

/** Levels of values in values that are written out. */
const DEEPEST = 12;

/** The call that made an instance; undefined where an argument has no text: a tensor, a function, something unknown. */
export function constructionOf(instance: InstanceValue, constructions: Constructions): string | undefined {
  return callText(instance, constructions, 0);
}

function callText(instance: InstanceValue, constructions: Constructions, depth: number): string | undefined {
  const made = constructions.get(instance) ?? recordOf(instance);
  if (!made || made.args.open || depth > DEEPEST) return undefined;
  const parts: string[] = [];
  for (const value of made.args.positional) {
    const text = valueText(value, constructions, depth + 1);
    if (text === undefined) return undefined;
    parts.push(text);
  }
  for (const [name, value] of made.args.keywords) {
    const text = valueText(value, constructions, depth + 1);
    if (text === undefined) return undefined;
    parts.push(`${name}=${text}`);
  }
  return `${made.cls.name}(${parts.join(", ")})`;
}

/** A dataclass's fields, as arguments of its constructor: it may have been made where nobody looked. */
function recordOf({ attributes, cls }: InstanceValue): { readonly cls: ClassValue; readonly args: Arguments } | undefined {
  const fields = cls.order.flatMap((c) => c.fields);
  if (!cls.record || fields.some((f) => !attributes.has(f.name))) return undefined;
  return { cls, args: { positional: [], keywords: new Map(fields.map((f) => [f.name, attributes.get(f.name)!])) } };
}

function valueText(value: Value, constructions: Constructions, depth: number): string | undefined {
  if (depth > DEEPEST) return undefined;
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  // Python reads strings as JSON writes them.
  if (typeof value === "string") return JSON.stringify(value);
  const all = (items: Iterable<Value>): string[] | undefined => {
    const texts = [...items].map((v) => valueText(v, constructions, depth + 1));
    return texts.every((t) => t !== undefined) ? texts : undefined;
  };
  switch (value.k) {
    case "int":
      return String(value.v);
    case "float":
      return floatText(value.v);
    case "list": {
      const items = all(value.items);
      return items && `[${items.join(", ")}]`;
    }
    case "tuple": {
      const items = value.names ? undefined : all(value.items);
      return items && (items.length === 1 ? `(${items[0]},)` : `(${items.join(", ")})`);
    }
    case "dict": {
      if (value.factory !== undefined) return undefined;
      const entries = [...value.entries.values()];
      const keys = all(entries.map((e) => e.key));
      const values = all(entries.map((e) => e.value));
      return keys && values && `{${keys.map((k, i) => `${k}: ${values[i]}`).join(", ")}}`;
    }
    case "range":
      return `range(${value.start}, ${value.stop}, ${value.step})`;
    // A class of the user's own is known by its name where the model is.
    case "class":
      return value.chunk ? value.name : undefined;
    case "instance":
      return callText(value, constructions, depth + 1);
    default:
      return undefined;
  }
}

function floatText(value: number): string {
  if (Number.isNaN(value)) return 'float("nan")';
  if (!Number.isFinite(value)) return `float("${value > 0 ? "inf" : "-inf"}")`;
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}
