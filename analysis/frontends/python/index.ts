/** @file The Python front end. */
export { loadPythonParser, PythonParser, type PythonParserOptions } from "./parser/parser";
export type { PythonHost } from "./modules/resolve";
export type { BiasArgument, PythonLayer } from "./models/layers";
export type { GivenInput } from "./models/evaluation";
export {
  type AnalyseOptions,
  type ProjectOptions,
  type PythonClass,
  type PythonFile,
  type PythonModel,
  type PythonProblem,
  PythonProject,
} from "./project";
