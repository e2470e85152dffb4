/** @file Module paths (`layer1.0.conv1`) of nodes and parameters, from the names that exporters give. */
import type { NodeProto } from "./generated/onnx_pb";

/**
 * The module path of a parameter: its PyTorch name without the last part.
 * Undefined where the name has no dot or is an exporter's own (`onnx::MatMul_12`).
 */
export function parameterScope(name: string): string | undefined {
  if (name.includes("::") || name.includes("/")) return undefined;
  const dot = name.lastIndexOf(".");
  return dot <= 0 ? undefined : name.slice(0, dot);
}

/** The module path in a node's name: `/block/conv/Conv` is in `block.conv`. Undefined where the name has no path. */
export function pathScope(name: string): string | undefined {
  const parts = name.split("/").filter((p) => p !== "");
  if (parts.length < 2) return undefined;
  parts.pop();
  // PyTorch repeats the container's path in its children: `/features/features.0/Conv` is in `features.0`.
  const path: string[] = [];
  for (const part of parts) {
    const last = path.at(-1);
    if (last !== undefined && part.startsWith(`${last}.`)) path.pop();
    path.push(part);
  }
  return path.join(".");
}

/**
 * The module path in the metadata of PyTorch's newer exporter, `pkg.torch.onnx.name_scopes`: a Python list such as
 * `['', 'layer1', 'layer1.conv', 'conv2d']` whose last entry is the operation.
 */
export function metadataScope(node: NodeProto): string | undefined {
  const entry = node.metadataProps.find((e) => e.key === "pkg.torch.onnx.name_scopes");
  if (!entry) return undefined;
  const names = [...entry.value.matchAll(/'([^']*)'/g)].map((m) => m[1]!);
  const scope = names.at(-2);
  return scope === undefined || scope === "" ? undefined : scope;
}

/**
 * The module path of a node.
 * @param parameters names of the parameters that it reads
 */
export function nodeScope(node: NodeProto, parameters: readonly string[]): string | undefined {
  const owners = new Set(parameters.map(parameterScope));
  const owner = owners.size === 1 ? [...owners][0] : undefined;
  const path = metadataScope(node) ?? pathScope(node.name);
  if (path === undefined) return owner;
  // A module that is called again gets a counted name (`conv_1`), but it is the same module.
  if (owner !== undefined && path.startsWith(`${owner}_`) && /^_\d+$/.test(path.slice(owner.length))) return owner;
  return path;
}
