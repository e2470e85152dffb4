/** @file From parameters to the layers that hold them, and from layers to findings at the calls that make them. */
import type { RegisteredParameter } from "../frontends/python/index";
import type { SourceRange } from "../graph/source";
import type { CheckedFile, CheckedModel, Layer } from "./checked";
import type { Detection } from "./rule";
import { code, shortPath } from "./words";

const owners = new WeakMap<CheckedModel, ReadonlyMap<string, Layer>>();

/** The layer that holds a parameter as its own. */
export function layerOf(model: CheckedModel, parameter: string): Layer | undefined {
  let map = owners.get(model);
  if (map === undefined) {
    map = new Map(model.layers.flatMap((l) => l.parameters.map((p) => [p, l] as const)));
    owners.set(model, map);
  }
  return map.get(parameter);
}

const registered = new WeakMap<CheckedModel, ReadonlyMap<string, RegisteredParameter>>();

/** What the source registers under a name, which may be one of several of the same tensor. */
export function registeredParameter(model: CheckedModel, name: string): RegisteredParameter | undefined {
  let map = registered.get(model);
  if (map === undefined) {
    map = new Map(model.inventory?.parameters.flatMap((p) => [p.name, ...p.aliases].map((n) => [n, p] as const)) ?? []);
    registered.set(model, map);
  }
  return map.get(name);
}

/** The name by which a person knows the layer of a parameter: `conv1`, or the parameter itself where it is no layer's. */
export function layerName(model: CheckedModel, parameter: string): string {
  const layer = layerOf(model, parameter);
  if (layer && layer.scope !== "") return shortPath(layer.scope);
  const dot = Math.max(parameter.lastIndexOf("."), parameter.lastIndexOf("/"));
  return /[./](weight|bias|kernel)$/.test(parameter) ? shortPath(parameter.slice(0, dot)) : shortPath(parameter);
}

/** Where a finding about a parameter stands: the call that made its layer, or the parameter's own. */
export function placeOf(
  file: CheckedFile,
  model: CheckedModel,
  parameter: string,
): Pick<Detection, "range" | "node" | "file"> | undefined {
  if (file.language === "onnx") {
    const node = model.graph.parameters.get(parameter)?.origin.node;
    return { file: file.file, ...(node === undefined ? {} : { node }) };
  }
  const own = layerOf(model, parameter)?.constructor ?? model.graph.parameters.get(parameter)?.origin.range;
  const range = own ?? registeredParameter(model, parameter)?.range;
  return range?.file === file.file ? { range, file: file.file } : undefined;
}

/** Names in backquotes. */
export function codes(names: readonly string[]): string[] {
  return [...new Set(names)].map(code);
}

/** A key by which ranges are the same place. */
export function placeKey(range: SourceRange): string {
  return `${range.file}:${range.start.line}:${range.start.column}`;
}
