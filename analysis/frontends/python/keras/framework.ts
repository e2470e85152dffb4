/** @file Keras as a framework: layers by their paths, models that declare their inputs, graphs that are there already. */
import type { Framework } from "../models/framework";
import { is } from "../values/inspect";
import { list } from "../values/make";
import type { Value } from "../values/value";
import { allLayers, callLayer } from "./layer";
import { declaredArguments, functionalGraph, saysWhatItComputes } from "./model";
import { PATH, pathOf } from "./naming";
import { ownVariables } from "./weights";

/** Keras as a framework. */
export const KERAS: Framework = {
  name: "keras",
  method: "call",
  separator: "/",
  modules(root) {
    const out: ReturnType<Framework["modules"]> = [["", root]];
    for (const layer of allLayers(root)) {
      const path = layer === root ? undefined : pathOf(layer);
      if (path !== undefined) out.push([path, layer]);
    }
    return out;
  },
  ownTensors: (layer) => ownVariables(layer),
  call(interpreter, root, args) {
    // Paths are those below the root.
    interpreter.journal.set(root.attributes, PATH, "");
    interpreter.paths.set(root, "");
    return callLayer(interpreter, root, args);
  },
  traced(_, root) {
    const graph = root.cls.module ? undefined : functionalGraph(root);
    return graph && single(graph.outputs);
  },
  declared: declaredArguments,
  isModel: saysWhatItComputes,
};

function single(v: Value): Value {
  return is(v, "tuple") ? list([...v.items]) : v;
}
