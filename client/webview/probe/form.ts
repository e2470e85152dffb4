/** @file The settings of a probe as a form. An empty field leaves the choice to the user's code, or to the default. */
import type { ProbeOptions } from "../../../server/protocol";
import { button, element } from "../elements";
import { t } from "../text";

type NumberKey = "steps" | "replicas" | "seed" | "learningRate" | "weightDecay" | "batchSize" | "budget";

interface NumberField {
  readonly key: NumberKey;
  readonly label: string;
  readonly hint: string;
  readonly least: number;
  readonly whole: boolean;
}

const numberFields = (): readonly NumberField[] => [
  { key: "steps", label: t("Steps"), hint: "300", least: 1, whole: true },
  { key: "replicas", label: t("Replicas"), hint: "4", least: 1, whole: true },
  { key: "learningRate", label: t("Learning rate"), hint: t("from the code"), least: 0, whole: false },
  { key: "weightDecay", label: t("Weight decay"), hint: t("from the code"), least: 0, whole: false },
  { key: "batchSize", label: t("Batch size"), hint: t("from the code"), least: 1, whole: true },
  { key: "seed", label: t("Seed"), hint: "0", least: 0, whole: true },
  { key: "budget", label: t("Time limit (s)"), hint: "60", least: 1, whole: false },
];

const CHOICES = {
  optimiser: ["sgd", "adam", "adamw"],
  device: ["auto", "cpu", "cuda", "webgpu", "dml", "coreml"],
} as const;

/** The form; `run` is called with what was filled in. */
export function optionsForm(options: ProbeOptions, run: (options: ProbeOptions) => void): HTMLFormElement {
  const numbers = numberFields().map((field) => ({
    field,
    input: element("input", {
      type: "number",
      id: `option-${field.key}`,
      min: field.least,
      step: field.whole ? 1 : "any",
      placeholder: field.hint,
      value: options[field.key],
    }),
  }));
  const choices = (["optimiser", "device"] as const).map((key) => {
    const select = element("select", { id: `option-${key}` }, [
      element("option", { value: "" }, [key === "device" ? t("automatic") : t("from the code")]),
      ...CHOICES[key].filter((c) => c !== "auto").map((choice) => element("option", { value: choice }, [choice])),
    ]);
    select.value = options[key] === "auto" ? "" : (options[key] ?? "");
    return { key, select };
  });
  const sweep = element("input", { type: "text", id: "option-sweep", placeholder: "lr=0.01,0.1,1", value: options.sweep });
  const compare = element("input", {
    type: "text",
    id: "option-compare",
    placeholder: "no-decay, syre",
    value: options.compare?.join(", "),
  });
  const data = element("input", { type: "text", id: "option-data", placeholder: t("made up to fit the model"), value: options.data });
  const texts = [
    { label: t("Sweep"), input: sweep },
    { label: t("Compare with"), input: compare },
    { label: t("Data file or folder"), input: data },
  ];
  const labelled = (label: string, input: HTMLElement): HTMLElement =>
    element("div", { class: "field" }, [element("label", { for: input.id }, [label]), input]);
  const form = element("form", { class: "options", "aria-label": t("Settings of the probe") }, [
    ...numbers.map(({ field, input }) => labelled(field.label, input)),
    ...choices.map(({ key, select }) => labelled(key === "device" ? t("Device") : t("Optimizer"), select)),
    ...texts.map(({ input, label }) => labelled(label, input)),
    element("div", { class: "field" }, [element("button", { type: "submit" }, [t("Run probe")])]),
  ]);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const filled: Record<string, unknown> = {};
    for (const { field, input } of numbers) if (input.value !== "") filled[field.key] = Number(input.value);
    for (const { key, select } of choices) if (select.value !== "") filled[key] = select.value;
    if (sweep.value.trim() !== "") filled["sweep"] = sweep.value.trim();
    const names = compare.value.split(",").map((c) => c.trim());
    if (names.some((c) => c !== "")) filled["compare"] = names.filter((c) => c !== "");
    if (data.value.trim() !== "") filled["data"] = data.value.trim();
    run(filled);
  });
  return form;
}

/** The form behind a button that opens it. */
export function foldedForm(options: ProbeOptions, run: (options: ProbeOptions) => void): HTMLDetailsElement {
  return element("details", { class: "settings" }, [element("summary", {}, [t("Settings")]), optionsForm(options, run)]);
}

/** Buttons in a row. */
export function buttons(
  list: readonly { readonly label: string; readonly press: () => void; readonly kind?: "primary" | "plain" }[],
): HTMLElement {
  return element(
    "div",
    { class: "buttons" },
    list.map(({ kind, label, press }) => button(label, kind === "primary" ? { class: "primary" } : {}, press)),
  );
}
