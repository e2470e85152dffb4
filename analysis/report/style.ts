/** @file Colour for terminals, and none elsewhere. */
import { styleText } from "node:util";

type Format = Parameters<typeof styleText>[0];

/** What the parts of a report look like. */
export interface Style {
  title(text: string): string;
  group(text: string): string;
  quiet(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  warning(text: string): string;
  info(text: string): string;
  place(text: string): string;
}

function style(paint: (format: Format, text: string) => string): Style {
  return {
    title: (text) => paint("bold", text),
    group: (text) => paint("cyan", text),
    quiet: (text) => paint("gray", text),
    good: (text) => paint("green", text),
    bad: (text) => paint("red", text),
    warning: (text) => paint("yellow", text),
    info: (text) => paint("blue", text),
    place: (text) => paint("magenta", text),
  };
}

/** Text without colour. */
export const PLAIN: Style = style((_, text) => text);

/** Text with ANSI colours. */
export const COLOURED: Style = style((format, text) => styleText(format, text));

/** Colours where a person looks: on a terminal, unless NO_COLOR is set. */
export function styleFor(stream: { readonly isTTY?: boolean }, environment: Readonly<Record<string, string | undefined>>): Style {
  const unwanted = environment["NO_COLOR"] !== undefined && environment["NO_COLOR"] !== "";
  return stream.isTTY === true && !unwanted ? COLOURED : PLAIN;
}
