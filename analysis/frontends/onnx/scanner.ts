/**
 * @file The wire scanner: walks the protobuf encoding of a model in small windows and copies everything but the tensors'
 * data into a skeleton, which is then decoded in the ordinary way. The data's places are kept in a table, so opening a
 * model of any size reads none of its weights. It checks lengths, wire types and nesting on the way, which makes the
 * decoder's input well formed, and bounds memory and recursion for damaged files.
 */
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import type { ByteSource } from "./bytes";
import { EXPORT_AGAIN, OnnxError } from "./error";
import { ModelProtoSchema, TensorProtoSchema } from "./generated/onnx_pb";

/** A stretch of a tensor's data that was left in the file. */
export interface SkippedSpan {
  readonly offset: number;
  readonly length: number;
}

/** The data of one tensor that was left in the file: spans by TensorProto field number, in file order. */
export type SkippedData = Map<number, SkippedSpan[]>;

/** A model without its weights. */
export interface Skeleton {
  /** A valid encoding of a ModelProto; tensors with data left in the file have `skipped_data`, an index into `skipped`. */
  readonly bytes: Uint8Array;
  readonly skipped: readonly SkippedData[];
}

/** Tensor data up to this many bytes per field stays in the skeleton: shapes, axes and scalars are wanted at once. */
const INLINE_LIMIT = 256;
/** Limits against hostile files; a real skeleton has at most some ten megabytes and nests about ten messages deep. */
const MAX_SKELETON_BYTES = 256 * 2 ** 20;
const MAX_FIELDS = 20_000_000;
const MAX_DEPTH = 100;

/** Fields of TensorProto that hold data; string_data stays since strings are not numbers to be read lazily. */
const DATA_FIELDS: ReadonlySet<number> = new Set([4, 5, 7, 9, 10, 11]);
const RAW_DATA = 9;
const SKIPPED_DATA = TensorProtoSchema.field.skippedData.number;

const WIRE_NAMES: Readonly<Record<number, string>> = {
  0: "varint",
  1: "64-bit",
  2: "length-delimited",
  3: "start group",
  4: "end group",
  5: "32-bit",
};

interface FieldRule {
  readonly name: string;
  readonly wire: number;
  /** Whether the packed form is allowed besides. */
  readonly packable: boolean;
  readonly message: MessageRule | undefined;
}
interface MessageRule {
  readonly name: string;
  readonly tensor: boolean;
  readonly fields: ReadonlyMap<number, FieldRule>;
}

const rules = new Map<string, MessageRule>();

function scalarWire(type: ScalarType): number {
  switch (type) {
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WireType.Bit32;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WireType.Bit64;
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    default:
      return WireType.Varint;
  }
}

function fieldRule(field: DescField): FieldRule {
  const scalar = field.fieldKind === "scalar" || field.fieldKind === "list" ? field.scalar : undefined;
  const message = field.fieldKind === "message" || field.fieldKind === "list" ? field.message : undefined;
  const wire = message ? WireType.LengthDelimited : scalar === undefined ? WireType.Varint : scalarWire(scalar);
  return {
    name: field.name,
    wire,
    packable: field.fieldKind === "list" && wire !== WireType.LengthDelimited,
    message: message ? messageRule(message) : undefined,
  };
}

/** The rule of a message type, made once from the generated descriptor. */
function messageRule(message: DescMessage): MessageRule {
  const known = rules.get(message.typeName);
  if (known) return known;
  const fields = new Map<number, FieldRule>();
  const rule = { name: message.name, tensor: message.typeName === TensorProtoSchema.typeName, fields };
  rules.set(message.typeName, rule);
  for (const field of message.fields) fields.set(field.number, fieldRule(field));
  return rule;
}

/** A growing buffer. */
class Output {
  bytes = new Uint8Array(4096);
  length = 0;

  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  varint(value: number): void {
    this.reserve(10);
    let rest = value;
    while (rest > 0x7f) {
      this.bytes[this.length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.length++] = rest;
  }
}

/**
 * Makes the skeleton of a model.
 * @throws OnnxError with the byte offset when the bytes are not a well-formed ModelProto.
 */
export function scanModel(source: ByteSource): Skeleton {
  return new Scanner(source).scan();
}

class Scanner {
  private readonly output = new Output();
  private readonly skipped: SkippedData[] = [];
  private fields = 0;
  private position = 0;

  constructor(private readonly source: ByteSource) {}

  scan(): Skeleton {
    if (this.source.size === 0) throw this.error(0, "is empty", "an ONNX model", EXPORT_AGAIN);
    this.message(messageRule(ModelProtoSchema), this.source.size, 0);
    return { bytes: this.output.bytes.subarray(0, this.output.length), skipped: this.skipped };
  }

  private error(offset: number, problem: string, expected: string, advice = EXPORT_AGAIN): OnnxError {
    return new OnnxError({ file: this.source.name, problem, offset, expected, advice });
  }

  /** A varint of at most 10 bytes below `end`; values above 2^53 lose their low bits, which only lengths would notice. */
  private varint(end: number): number {
    const start = this.position;
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 10; i++) {
      if (this.position >= end) throw this.error(start, "ends inside a number", "more bytes: the file is truncated or damaged");
      const byte = this.source.byte(this.position++);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    throw this.error(start, "holds a number of more than 10 bytes", "a protobuf varint");
  }

  private message(rule: MessageRule, end: number, depth: number): void {
    if (depth > MAX_DEPTH)
      throw this.error(this.position, `nests more than ${MAX_DEPTH} messages`, "a model with fewer nested subgraphs");
    let data: SkippedData | undefined;
    while (this.position < end) {
      const start = this.position;
      const tag = this.varint(end);
      const number = Math.floor(tag / 8);
      const wire = tag % 8;
      if (number === 0 || tag > 0xffffffff || wire === 3 || wire === 4 || wire > 5) {
        throw this.error(start, `holds no protobuf field of ${rule.name} where one must start`, "an ONNX model", this.guess());
      }
      if (++this.fields > MAX_FIELDS) throw this.error(start, `has more than ${MAX_FIELDS} fields`, "a smaller model");
      const field = rule.fields.get(number);
      if (field && wire !== field.wire && !(field.packable && wire === WireType.LengthDelimited)) {
        throw this.error(
          start,
          `field ${field.name} of ${rule.name} has wire type ${WIRE_NAMES[wire]}`,
          `wire type ${WIRE_NAMES[field.wire]}`,
          this.guess(),
        );
      }
      const content = this.contentStart(
        wire,
        end,
        start,
        field ? `${rule.name}.${field.name}` : `unknown field ${number} of ${rule.name}`,
      );
      const length = this.contentLength;
      if (!field || (rule.tensor && number === SKIPPED_DATA)) {
        this.position = content + length;
        continue;
      }
      if (field.message) {
        this.position = content;
        this.nested(field.message, tag, content + length, depth);
        continue;
      }
      if (rule.tensor && DATA_FIELDS.has(number) && (length > INLINE_LIMIT || data?.has(number))) {
        data ??= new Map();
        const spans = data.get(number);
        // Of several raw_data fields the last one holds, as for every singular protobuf field.
        if (spans && number !== RAW_DATA) spans.push({ offset: content, length });
        else data.set(number, [{ offset: content, length }]);
        this.position = content + length;
        continue;
      }
      if (this.output.length + length > MAX_SKELETON_BYTES) {
        throw this.error(start, `has more than ${MAX_SKELETON_BYTES} bytes besides its weights`, "a smaller model");
      }
      this.output.append(this.source.read(start, content + length - start));
      this.position = content + length;
    }
    if (data) {
      this.output.varint(SKIPPED_DATA * 8 + WireType.Varint);
      this.output.varint(this.skipped.length);
      this.skipped.push(data);
    }
  }

  private contentLength = 0;

  /** Where the content of a field starts; sets `contentLength`. The content of a varint is its own bytes. */
  private contentStart(wire: number, end: number, start: number, what: string): number {
    let content = this.position;
    if (wire === WireType.Varint) {
      this.varint(end);
      this.contentLength = this.position - content;
      return content;
    }
    if (wire === WireType.LengthDelimited) {
      this.contentLength = this.varint(end);
      content = this.position;
    } else this.contentLength = wire === WireType.Bit64 ? 8 : 4;
    if (this.contentLength > end - content) {
      throw this.error(
        start,
        `${what} says it has ${this.contentLength} bytes, but only ${end - content} are left`,
        "more bytes: the file is truncated or damaged",
        this.guess(),
      );
    }
    return content;
  }

  /** Copies a nested message; its length is not known before, so five bytes are kept for it and padded. */
  private nested(rule: MessageRule, tag: number, end: number, depth: number): void {
    this.output.varint(tag);
    this.output.reserve(5);
    const at = this.output.length;
    this.output.length += 5;
    this.message(rule, end, depth + 1);
    let length = this.output.length - at - 5;
    for (let i = 0; i < 4; i++) {
      this.output.bytes[at + i] = (length & 0x7f) | 0x80;
      length >>>= 7;
    }
    this.output.bytes[at + 4] = length;
  }

  /** Advice for files that are something else than they say. */
  private guess(): string {
    const head = this.source.read(0, Math.min(this.source.size, 64));
    const text = String.fromCharCode(...head);
    if (text.startsWith("version https://git-lfs"))
      return "This is a Git LFS pointer: fetch the file itself with `git lfs pull`.";
    if (text.startsWith("PK"))
      return "This is a zip archive, perhaps a PyTorch checkpoint: export the model with torch.onnx.export.";
    if (text.startsWith("\x80")) return "This looks like a Python pickle: export the model with torch.onnx.export.";
    if (text.startsWith("\x89HDF")) return "This is an HDF5 file, perhaps of Keras: convert it with tf2onnx.";
    if (text.slice(4, 8) === "ORTM") return "This is ONNX Runtime's own format: open the .onnx file that it was made from.";
    if (text.slice(4, 8) === "TFL3") return "This is a TensorFlow Lite file: convert it with tf2onnx.";
    if (/^\s*(<!doctype|<html)/i.test(text)) return "This is a web page: download the model itself.";
    if (/^\s*<\s*ir_version/.test(text)) return "This is ONNX's text syntax: convert it with onnx.parser and save it as .onnx.";
    return EXPORT_AGAIN;
  }
}
