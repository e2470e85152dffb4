/** @file The Python program that exports a model. It runs in the user's own Python, and only when the user asks for it. */

/** What the program is told, as one line of JSON on its standard input. */
export interface ExportOrder {
  /** The Python file, and the folder that its imports start from. */
  readonly file: string;
  readonly root: string;
  /** Python text in the names of the file that makes the model: `Net(width=64)`. */
  readonly call: string;
  readonly inputs: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly type: "float" | "int" | "bool";
    readonly bound: number;
  }[];
  /** Where the model goes, and where the program says how it went. */
  readonly output: string;
  readonly answer: string;
}

/** What the program says, as JSON in the file `answer`. */
export type ExportAnswer =
  | {
      readonly ok: true;
      readonly python: string;
      readonly torch: string;
      /** Shapes by name. */
      readonly parameters: Readonly<Record<string, readonly number[]>>;
      readonly frozen: readonly string[];
    }
  | {
      readonly ok: false;
      /** What was being done: import, make, forward, export. */
      readonly stage: string;
      readonly message: string;
      /** The traceback, of the user's code on. */
      readonly traceback: string;
    };

/**
 * The program. It ends when its standard input is closed, so that it never outlives who started it. Exports in training mode
 * without folding: folded weights have lost their names and their symmetries.
 */
export const EXPORT_SCRIPT = `import importlib, importlib.util, json, os, sys, threading, traceback

order = json.loads(sys.stdin.readline())

def watch():
    try:
        while sys.stdin.read(1):
            pass
    finally:
        os._exit(3)

threading.Thread(target=watch, daemon=True).start()
stage = "import"

def answer(value):
    with open(order["answer"] + ".part", "w", encoding="utf-8") as f:
        json.dump(value, f)
    os.replace(order["answer"] + ".part", order["answer"])

def module():
    root, file = os.path.abspath(order["root"]), os.path.abspath(order["file"])
    sys.path.insert(0, root)
    parts = os.path.splitext(os.path.relpath(file, root))[0].split(os.sep)
    if os.pardir not in parts and all(p.isidentifier() for p in parts):
        return importlib.import_module(".".join(parts))
    spec = importlib.util.spec_from_file_location("noether_exported", file)
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made

def value(i):
    import torch
    if i["type"] == "int":
        return torch.randint(0, max(1, i["bound"]), i["shape"])
    if i["type"] == "bool":
        return torch.ones(i["shape"], dtype=torch.bool)
    return torch.randn(i["shape"])

try:
    import torch
    torch.manual_seed(0)
    names = vars(module())
    stage = "make"
    model = eval(order["call"], dict(names))
    if not isinstance(model, torch.nn.Module):
        raise TypeError(order["call"] + " makes a " + type(model).__name__ + ", not a torch.nn.Module")
    model.train()
    inputs = tuple(value(i) for i in order["inputs"])
    stage = "forward"
    state = {k: v.clone() for k, v in model.state_dict().items()}
    with torch.no_grad():
        model(*inputs)
    model.load_state_dict(state)
    stage = "export"
    options = dict(
        training=torch.onnx.TrainingMode.TRAINING,
        do_constant_folding=False,
        export_params=True,
        keep_initializers_as_inputs=False,
        input_names=[i["name"] for i in order["inputs"]],
    )
    import inspect
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False
    torch.onnx.export(model, inputs, order["output"], **options)
    parameters = {k: list(v.shape) for k, v in model.named_parameters()}
    frozen = [k for k, v in model.named_parameters() if not v.requires_grad]
    answer({"ok": True, "python": sys.version.split()[0], "torch": torch.__version__, "parameters": parameters, "frozen": frozen})
except BaseException as e:
    lines = traceback.format_exception(type(e), e, e.__traceback__)
    own = [l for l in lines if __file__ not in l and "<frozen importlib" not in l]
    answer({"ok": False, "stage": stage, "message": type(e).__name__ + ": " + str(e), "traceback": "".join(own)})
os._exit(0)
`;
