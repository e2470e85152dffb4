/** @file Declared types of values: TypeProto to element type and sizes that may be symbolic. */
import type { ElementType } from "../../graph/tensor";
import { elementType } from "./element-types";
import { EXPORT_AGAIN, OnnxError } from "./error";
import type { ValueInfoProto } from "./generated/onnx_pb";

/** A size as declared: known, named, or unknown. */
export type DeclaredSize = number | string | undefined;

/** What a file declares of a value. */
export interface DeclaredType {
  readonly name: string;
  readonly type: ElementType;
  /** Undefined where even the rank is unknown. */
  readonly sizes: readonly DeclaredSize[] | undefined;
  /** False for sequences, maps, optionals and sparse tensors. */
  readonly tensor: boolean;
}

/**
 * Reads a declared type.
 * @throws OnnxError when a size is absurd. A size of -1 is taken as unknown, as some exporters write it.
 */
export function declaredType(info: ValueInfoProto, file: string): DeclaredType {
  const value = info.type?.value;
  if (value?.case !== "tensorType")
    return { name: info.name, type: "other", sizes: undefined, tensor: value?.case === undefined };
  const sizes = value.value.shape?.dim.map((dim): DeclaredSize => {
    if (dim.value.case === "dimParam") return dim.value.value === "" ? undefined : dim.value.value;
    if (dim.value.case !== "dimValue" || dim.value.value === -1n) return undefined;
    const size = Number(dim.value.value);
    if (!(size >= 0 && Number.isSafeInteger(size))) {
      throw new OnnxError({
        file,
        problem: `value ${info.name} is declared with the size ${dim.value.value}`,
        expected: "sizes from 0 to 2^53",
        advice: EXPORT_AGAIN,
      });
    }
    return size;
  });
  return { name: info.name, type: elementType(value.value.elemType), sizes, tensor: true };
}
