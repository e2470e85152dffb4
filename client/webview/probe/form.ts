/** @file The settings of a probe as a form. An empty field leaves the choice to the user's code, or to the default. */
import type { ProbeChoices } from "../../../server/protocol";
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
  { key: "budget", label: t("Time limit in seconds"), hint: "60", least: 1, whole: false },
];

const SWEEPS = ["lr", "weight-decay", "batch-size", "momentum"] as const satisfies readonly NonNullable<
  ProbeChoices["sweep"]
>["what"][];
const COMPARISONS = ["no-decay", "syre", "advanced-syre"] as const satisfies readonly NonNullable<
  ProbeChoices["compare"]
>[number][];
const CHOICES = {
  optimiser: ["sgd", "adam", "adamw"],
  device: ["auto", "cpu", "cuda", "webgpu", "dml", "coreml"],
} as const;

/** The form; `run` is called with what was filled in. */
function optionsForm(choices: ProbeChoices, run: (choices: ProbeChoices) => void): HTMLFormElement {
  const numbers = numberFields().map((field) => ({
    field,
    input: element("input", {
      type: "number",
      id: `option-${field.key}`,
      min: field.least,
      step: field.whole ? 1 : "any",
      placeholder: field.hint,
      value: choices[field.key],
    }),
  }));
  const selects = (["optimiser", "device"] as const).map((key) => {
    const select = element("select", { id: `option-${key}` }, [
      element("option", { value: "" }, [key === "device" ? t("automatic") : t("from the code")]),
      ...CHOICES[key].filter((c) => c !== "auto").map((choice) => element("option", { value: choice }, [choice])),
    ]);
    select.value = choices[key] === "auto" ? "" : (choices[key] ?? "");
    return { key, select };
  });
  const swept = element("select", { id: "option-sweep" }, [
    element("option", { value: "" }, [t("nothing")]),
    ...SWEEPS.map((what) => element("option", { value: what }, [what])),
  ]);
  swept.value = choices.sweep?.what ?? "";
  const values = element("input", {
    type: "text",
    id: "option-values",
    placeholder: "0.01, 0.1, 1",
    value: choices.sweep?.values.join(", "),
  });
  const compared = COMPARISONS.map((name) => {
    const box = element("input", { type: "checkbox", id: `option-${name}` });
    box.checked = choices.compare?.includes(name) === true;
    return { name, box };
  });
  const data = element("input", {
    type: "text",
    id: "option-data",
    placeholder: t("made up to fit the model"),
    value: choices.data,
  });
  const texts = [
    { label: t("Sweep"), input: swept },
    { label: t("Values of the sweep"), input: values },
    { label: t("Data file or folder"), input: data },
  ];
  const labelled = (label: string, input: HTMLElement): HTMLElement =>
    element("div", { class: "field" }, [element("label", { for: input.id }, [label]), input]);
  const form = element("form", { class: "options", "aria-label": t("Settings of the probe") }, [
    ...numbers.map(({ field, input }) => labelled(field.label, input)),
    ...selects.map(({ key, select }) => labelled(key === "device" ? t("Device") : t("Optimizer"), select)),
    ...texts.map(({ input, label }) => labelled(label, input)),
    element("fieldset", { class: "field" }, [
      element("legend", {}, [t("Compare with")]),
      ...compared.map(({ box, name }) => element("label", {}, [box, name])),
    ]),
    element("div", { class: "field" }, [element("button", { type: "submit" }, [t("Run probe")])]),
  ]);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    values.setCustomValidity("");
    const filled: Record<string, unknown> = {};
    for (const { field, input } of numbers) if (input.value !== "") filled[field.key] = Number(input.value);
    for (const { key, select } of selects) if (select.value !== "") filled[key] = select.value;
    const list = values.value.split(/[\s,;]+/).flatMap((v) => (v === "" ? [] : [Number(v)]));
    const wrong = swept.value !== "" && (list.length === 0 || !list.every((v) => Number.isFinite(v) && v >= 0));
    values.setCustomValidity(wrong ? t("Numbers from 0 on, such as 0.01, 0.1, 1") : "");
    if (!form.reportValidity()) return;
    if (swept.value !== "") filled["sweep"] = { what: swept.value, values: list };
    const names = compared.filter(({ box }) => box.checked).map(({ name }) => name);
    if (names.length > 0) filled["compare"] = names;
    if (data.value.trim() !== "") filled["data"] = data.value.trim();
    run(filled);
  });
  return form;
}

/** The form behind a button that opens it. */
export function foldedForm(choices: ProbeChoices, run: (choices: ProbeChoices) => void): HTMLDetailsElement {
  return element("details", { class: "settings" }, [element("summary", {}, [t("Settings")]), optionsForm(choices, run)]);
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
