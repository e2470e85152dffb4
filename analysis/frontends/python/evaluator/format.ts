/** @file Text made from values: f-strings, `%` and `str.format`, as far as names of modules need them. */
import { intOf, is, isObject, numberOf } from "../values/inspect";
import type { Value } from "../values/value";

/** Python's `str()`; undefined where it is not known. */
export function textOf(v: Value): string | undefined {
  if (v === null) return "None";
  if (typeof v === "boolean") return v ? "True" : "False";
  if (typeof v === "string") return v;
  switch (v.k) {
    case "int":
      return String(v.v);
    case "float":
      return Number.isInteger(v.v) && Math.abs(v.v) < 1e16 ? `${v.v}.0` : String(v.v);
    case "class":
      return `<class '${v.module ? `${v.module.name}.` : ""}${v.name}'>`;
    case "dtype":
      return `torch.${v.type}`;
    case "list":
    case "tuple": {
      const parts = v.items.map(reprOf);
      if (parts.some((p) => p === undefined)) return undefined;
      if (v.k === "list") return `[${parts.join(", ")}]`;
      return parts.length === 1 ? `(${parts[0]},)` : `(${parts.join(", ")})`;
    }
    default:
      return undefined;
  }
}

/** Python's `repr()`. */
export function reprOf(v: Value): string | undefined {
  return typeof v === "string" ? `'${v}'` : textOf(v);
}

/** One replacement field with its format specification. */
export function formatValue(v: Value, format: string, conversion: string): string | undefined {
  const text = conversion === "r" ? reprOf(v) : textOf(v);
  if (text === undefined) return undefined;
  if (format === "" || conversion !== "") return text;
  const m = /^(?:(.)?([<>^=]))?([+\- ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/.exec(format);
  if (!m) return text;
  const [, fill, align, , , zero, width, , precision, type] = m;
  let out = text;
  const n = numberOf(v);
  if (n !== undefined) {
    if (type === "f" || type === "F") out = n.toFixed(precision === undefined ? 6 : Number(precision));
    else if (type === "e") out = n.toExponential(precision === undefined ? 6 : Number(precision));
    else if (type === "x") out = n.toString(16);
    else if (type === "b") out = n.toString(2);
    else if (type === "%") out = `${(n * 100).toFixed(precision === undefined ? 6 : Number(precision))}%`;
    else if (precision !== undefined && type === undefined) out = String(Number(n.toPrecision(Number(precision) || 1)));
  }
  if (width !== undefined) {
    const w = Number(width);
    const pad = zero ? "0" : (fill ?? " ");
    const left = align ? align === "<" : n === undefined;
    out = left
      ? out.padEnd(w, pad)
      : align === "^"
        ? out.padStart(Math.floor((w + out.length) / 2), pad).padEnd(w, pad)
        : out.padStart(w, pad);
  }
  return out;
}

/** `template % values`. */
export function percentFormat(template: string, values: Value): string | undefined {
  const items = is(values, "tuple") ? [...values.items] : [values];
  let failed = false;
  const out = template.replace(
    /%(?:\((\w+)\))?(0?\d*)(?:\.(\d+))?([sdrifgx%])/g,
    (_, key: string | undefined, width: string, precision: string | undefined, type: string) => {
      if (type === "%") return "%";
      let v: Value | undefined;
      if (key !== undefined && isObject(values) && values.k === "dict") v = values.entries.get(`s${key}`)?.value;
      else v = items.shift();
      if (v === undefined) {
        failed = true;
        return "";
      }
      const format = `${width}${precision !== undefined ? `.${precision}` : ""}${type === "f" ? "f" : ""}`;
      const text =
        type === "r" ? reprOf(v) : formatValue(type === "d" || type === "i" ? (intOf(v) !== undefined ? v : v) : v, format, "");
      if (text === undefined) failed = true;
      return text ?? "";
    },
  );
  return failed ? undefined : out;
}

/** `template.format(*args, **keywords)`. */
export function braceFormat(template: string, args: readonly Value[], keywords: ReadonlyMap<string, Value>): string | undefined {
  let next = 0;
  let failed = false;
  const out = template.replace(
    /\{\{|\}\}|\{([^{}!:]*)(?:!([rsa]))?(?::([^{}]*))?\}/g,
    (whole, field: string | undefined, conversion: string | undefined, format: string | undefined) => {
      if (whole === "{{") return "{";
      if (whole === "}}") return "}";
      const name = field ?? "";
      const v = name === "" ? args[next++] : /^\d+$/.test(name) ? args[Number(name)] : keywords.get(name);
      const text = v === undefined ? undefined : formatValue(v, format ?? "", conversion === "r" ? "r" : "");
      if (text === undefined) failed = true;
      return text ?? "";
    },
  );
  return failed ? undefined : out;
}
