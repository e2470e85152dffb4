/** @file The Python front end. */
export { loadPythonParser, type PythonParser, type PythonParserOptions } from "./parser/parser";
export { type NotebookCode, readNotebook } from "./parser/notebook";
export type { Chunk } from "./parser/document";
export type * as Syntax from "./parser/syntax";
export type { PythonHost } from "./modules/resolve";
export type { Inventory, RegisteredParameter, SharedModule, TiedParameter, UnreadPart } from "./models/inventory";
export type { BiasArgument, PythonLayer } from "./models/layers";
export type { Certainty, Fact, NamedFact, OptimiserFact, ParameterGroup, TrainingFacts } from "./facts/facts";
export type { GivenInput } from "./models/evaluation-options";
export type { OpaquePlace, PythonClass, PythonModel, PythonProblem, UnmadeModel } from "./models/results";
export { type AnalyseOptions, type PythonFile, PythonProject } from "./project";
