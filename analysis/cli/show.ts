/** @file `noether show`: the graph of a model in ONNX's text syntax. */
import { statOf } from "./files";
import path from "node:path";
import type { Graph } from "../graph/graph";
import type { ShowArguments } from "./arguments/show";
import { ConfigurationError, configuredCalls } from "./configured";
import type { Console } from "./console";
import { EXIT, UsageError } from "./usage";

/** Runs the command; returns the exit code. @throws UsageError when the file or class is not there */
export async function show(args: ShowArguments, console: Console): Promise<number> {
  const stat = statOf(args.file);
  if (!stat?.isFile()) throw new UsageError(`${args.file} is no file; name an .onnx or .py file`);
  const { graphComment, graphText, readOnnx } = await import("../frontends/onnx/index");
  const { names } = args;
  const name = path.basename(args.file);
  try {
    if (/\.onnx$/i.test(args.file)) {
      const model = readOnnx({ path: args.file });
      const comments = [`${name}: ${graphComment(model.graph)}`];
      console.out(graphText(model.graph, { names, header: model.header, comments }).text.trimEnd());
      return EXIT.ok;
    }
    const texts = (await pythonGraphs(args, console)).map(({ graph, title }) => {
      const comments = [`${name}::${title}, as Noether reads it: ${graphComment(graph)}`];
      return graphText(graph, { names, comments }).text.trimEnd();
    });
    console.out(texts.join("\n\n"));
    return texts.length > 0 ? EXIT.ok : EXIT.fatal;
  } catch (error) {
    if (error instanceof UsageError || error instanceof ConfigurationError) throw error;
    console.error(`noether: ${error instanceof Error ? error.message : String(error)}`);
    return EXIT.fatal;
  }
}

async function pythonGraphs(args: ShowArguments, console: Console): Promise<{ graph: Graph; title: string }[]> {
  const [{ loadFile }, { UnknownModel }] = await Promise.all([import("../service/models"), import("../service/loaded")]);
  const calls = await configuredCalls(args.file);
  try {
    const loaded = await loadFile(args.file, {
      ...calls,
      ...(args.className === undefined ? {} : { className: args.className }),
    });
    for (const p of loaded.problems) console.error(`noether: ${p.message}`);
    if (loaded.models.length === 0 && loaded.problems.length === 0) throw new UsageError(`${args.file} holds no model`);
    return loaded.models.map((m) => ({ graph: m.graph, title: m.name }));
  } catch (error) {
    if (error instanceof UnknownModel) throw new UsageError(`${error.message} (it has ${error.classes.join(", ") || "none"})`);
    throw error;
  }
}
