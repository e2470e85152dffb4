/** @file The ONNX front end's public face. */
export { OnnxError, type OnnxErrorDetails } from "./error";
export { type OnnxModel, type OnnxSource, type ReadOptions, readOnnx } from "./read";
export { withInterfaceOf } from "./interface";
export { type WriteOptions, type WriterValues, writeOnnx } from "./write";
export {
  type GraphText,
  graphComment,
  graphText,
  type FileHeader,
  type NodePlace,
  type TextOptions,
  type TextPlace,
} from "./text/text";
