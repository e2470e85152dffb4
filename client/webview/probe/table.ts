/** @file Tables. */
import { element } from "../elements";
import type { Cell, TableView } from "./view";

/** The table with its caption; `hidden` captions are for screen readers only. */
export function tableElement({ head, rows, title }: TableView, hidden = false): HTMLTableElement {
  return element("table", {}, [
    element("caption", hidden ? { class: "spoken" } : {}, [title]),
    element("thead", {}, [
      element(
        "tr",
        {},
        head.map((text) => element("th", { scope: "col" }, [text])),
      ),
    ]),
    element(
      "tbody",
      {},
      rows.map((row) =>
        element(
          "tr",
          {},
          row.map((cell, i) => cellElement(cell, i === 0)),
        ),
      ),
    ),
  ]);
}

function cellElement(cell: Cell, header: boolean): HTMLElement {
  const { code, number, quiet, text, tone } = cell;
  const classes = [number === true ? "number" : "", tone ?? ""].filter((c) => c !== "").join(" ");
  const words = code === true && text !== "" ? element("code", {}, [text]) : text;
  const more = quiet === undefined || quiet === "" ? undefined : element("span", { class: "quiet" }, [quiet]);
  const attributes = classes === "" ? {} : { class: classes };
  return header ? element("th", { scope: "row", ...attributes }, [words, more]) : element("td", attributes, [words, more]);
}
