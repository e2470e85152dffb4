/** @file The ONNX front end's public face. */
export { OnnxError, type OnnxErrorDetails } from "./error";
export { type OnnxModel, type OnnxSource, type ReadOptions, readOnnx } from "./read";
export { type WriteOptions, type WriterValues, writeOnnx } from "./write";
