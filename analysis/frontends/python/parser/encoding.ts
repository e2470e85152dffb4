/** @file Bytes of Python source as text and back, by the rules of PEP 263: UTF-8, or what a comment in the first two lines names. */

/** Source as text, with how it was written. */
export interface DecodedSource {
  /** A byte order mark stays its first character. */
  readonly text: string;
  /** Name of the encoding, in lower case; `utf-8` where nothing else is said. */
  readonly encoding: string;
}

/** A comment that names the encoding. */
const COOKIE = /^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)/;
/** Python's names of ISO 8859-1; the web's `latin1` is another encoding. */
const LATIN_1 = /^(?:latin-?1|iso-?8859-?1|iso8859-1|l1|cp819)$/;
const UTF_8 = /^(?:utf-?8(?:-sig)?|u8)$/;

/**
 * Reads source as Python does.
 * @param file to name in messages
 * @throws Error naming the file, and the line where there is one, when Python could not read it either
 */
export function decodeSource(bytes: Uint8Array, file: string): DecodedSource {
  const zero = bytes.indexOf(0);
  if (zero >= 0) {
    throw new Error(
      `${file}:${lineAt(bytes, zero)}: the file holds NUL bytes, which Python does not read; save it as UTF-8 text`,
    );
  }
  const encoding = declared(bytes);
  if (LATIN_1.test(encoding)) return { text: Buffer.from(bytes).toString("latin1"), encoding: "latin-1" };
  if (UTF_8.test(encoding)) {
    const text = Buffer.from(bytes).toString("utf8");
    // What is no UTF-8 becomes U+FFFD; only then is there anything to look for.
    const wrong = text.includes("\uFFFD") ? firstInvalid(bytes) : undefined;
    if (wrong === undefined) return { text, encoding: "utf-8" };
    throw new Error(
      `${file}:${lineAt(bytes, wrong)}: the file is not UTF-8 (byte 0x${bytes[wrong]!.toString(16)}); save it as UTF-8, or name its encoding in the first line: # -*- coding: latin-1 -*-`,
    );
  }
  try {
    return { text: decoderOf(encoding).decode(bytes), encoding };
  } catch (error) {
    const why = error instanceof RangeError ? `there is no encoding ${encoding}` : `its bytes are not ${encoding}`;
    throw new Error(`${file}: ${why}, which a comment at its beginning names; save it as UTF-8`, { cause: error });
  }
}

/**
 * The bytes of a text in an encoding that `decodeSource` found.
 * @throws Error naming the file when a character does not exist there, or when the encoding is one that can only be read
 */
export function encodeSource({ text, encoding }: DecodedSource, file: string): Uint8Array {
  if (encoding === "utf-8") return Buffer.from(text, "utf8");
  const codes = singleBytes(encoding);
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = codes.get(text[i]!);
    if (code === undefined) throw new Error(`${file} is written in ${encoding}, which cannot be written back; save it as UTF-8`);
    out[i] = code;
  }
  return out;
}

/** The byte of each character of an encoding with one byte per character; of others those that are ASCII. */
function singleBytes(encoding: string): Map<string, number> {
  const decoder = encoding === "latin-1" ? undefined : decoderOf(encoding);
  const out = new Map<string, number>();
  for (let code = 0; code < 256; code++) {
    try {
      out.set(decoder ? decoder.decode(Uint8Array.of(code)) : String.fromCharCode(code), code);
    } catch {
      // No character of its own.
    }
  }
  return out;
}

function decoderOf(encoding: string): InstanceType<typeof TextDecoder> {
  return new TextDecoder(encoding.replaceAll("_", "-").replace(/^cp125(\d)$/, "windows-125$1"), { fatal: true, ignoreBOM: true });
}

function declared(bytes: Uint8Array): string {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return "utf-8";
  const [first = "", second = ""] = Buffer.from(bytes.subarray(0, 400))
    .toString("latin1")
    .split(/\r\n|\n|\r/);
  const named = COOKIE.exec(first) ?? (/^[ \t\f]*(?:#|$)/.test(first) ? COOKIE.exec(second) : null);
  return named?.[1]!.toLowerCase() ?? "utf-8";
}

/** The first byte beyond ASCII of the first line that is no UTF-8; undefined where all are. */
function firstInvalid(bytes: Uint8Array): number | undefined {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let start = 0;
  while (start < bytes.length) {
    // A line break is never part of a longer sequence.
    const end = bytes.indexOf(10, start);
    const line = bytes.subarray(start, end < 0 ? bytes.length : end);
    try {
      decoder.decode(line);
    } catch {
      return start + line.findIndex((b) => b >= 0x80);
    }
    start += line.length + 1;
  }
  return undefined;
}

function lineAt(bytes: Uint8Array, offset: number): number {
  let line = 1;
  for (let i = 0; i < offset; i++) if (bytes[i] === 10) line++;
  return line;
}
