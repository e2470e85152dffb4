/** @file Tensors whose data lies in files next to the model. */
import { lstatSync, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { OnnxError } from "./error";
import type { StringStringEntryProto } from "./generated/onnx_pb";

/** A part of an external data file. */
export interface ExternalRange {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

function inside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** Sizes of external data files, asked once per file; undefined where the file is absent. */
export class ExternalFiles {
  private readonly sizes = new Map<string, number | undefined>();

  /** @param model path of the model file; undefined for a model in memory, whose external data is never there. */
  constructor(
    private readonly model: string | undefined,
    private readonly name: string,
  ) {}

  /**
   * Where a tensor's data is; undefined when the file is not there.
   * @param needed bytes that the tensor's type and shape ask for, if known
   * @throws OnnxError when the entries are malformed, lead out of the model's folder or past the end of the file.
   */
  locate(tensor: string, entries: readonly StringStringEntryProto[], needed: number | undefined): ExternalRange | undefined {
    const values = new Map(entries.map((e) => [e.key, e.value]));
    const location = values.get("location") ?? "";
    if (location === "" || location.includes("\0")) {
      throw this.error(`tensor ${tensor} names no file for its external data`, "an entry `location`");
    }
    const normal = location.replaceAll("\\", "/");
    if (isAbsolute(location) || /^([a-zA-Z]:|\/)/.test(normal) || normal.split("/").includes("..")) {
      throw this.error(
        `tensor ${tensor} wants its data from ${JSON.stringify(location)}, outside the model's folder`,
        "a relative path inside the model's folder",
      );
    }
    const offset = this.count(tensor, "offset", values.get("offset"), 0);
    const declared = values.has("length") ? this.count(tensor, "length", values.get("length"), 0) : undefined;
    if (needed !== undefined && declared !== undefined && declared !== needed) {
      throw this.error(`tensor ${tensor} has ${declared} bytes of external data`, `${needed} bytes for its type and shape`);
    }
    if (this.model === undefined) return undefined;
    const path = resolve(dirname(this.model), normal);
    const size = this.size(tensor, path);
    if (size === undefined) return undefined;
    const length = declared ?? needed ?? Math.max(0, size - offset);
    if (offset + length > size) {
      throw this.error(
        `tensor ${tensor} ends at byte ${offset + length} of ${location}, which has ${size} bytes`,
        `at least ${offset + length} bytes`,
      );
    }
    return { path, offset, length };
  }

  private size(tensor: string, path: string): number | undefined {
    if (this.sizes.has(path)) return this.sizes.get(path);
    let size: number | undefined;
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isFile()) {
      this.refuseEscape(tensor, path);
      size = stat.size;
    }
    this.sizes.set(path, size);
    return size;
  }

  /** A link may lead out of the folder only where the model itself is a link into the same place (download caches do so). */
  private refuseEscape(tensor: string, path: string): void {
    const model = this.model!;
    const real = realpathSync(path);
    if (inside(realpathSync(dirname(model)), real)) return;
    if (lstatSync(model).isSymbolicLink() && inside(dirname(realpathSync(model)), real)) return;
    throw this.error(
      `tensor ${tensor} has its data in a link that leads outside the model's folder`,
      `a file in ${join(dirname(model), ".")}`,
    );
  }

  private count(tensor: string, key: string, text: string | undefined, fallback: number): number {
    if (text === undefined) return fallback;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value)) {
      throw this.error(`tensor ${tensor} has the external data ${key} ${JSON.stringify(text.slice(0, 40))}`, "a whole number");
    }
    return value;
  }

  private error(problem: string, expected: string): OnnxError {
    return new OnnxError({
      file: this.name,
      problem,
      expected,
      advice: "Save the model again with onnx.save_model(..., save_as_external_data=True, location=FILE_NAME).",
    });
  }
}
