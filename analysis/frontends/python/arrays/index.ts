/**
 * @file Functions of array libraries with NumPy's conventions, shared by keras.ops, jax.numpy and TensorFlow's names. They
 * emit the same operators as torch's table, and use it where the two agree.
 */
import { OperationTable } from "../torch/operation";
import { addArrayCreation } from "./creation";
import { addArrayPointwise } from "./pointwise";
import { addArrayReductions } from "./reductions";
import { addArrayShapes } from "./shapes";

/** The one table. */
export const arrays = new OperationTable();

addArrayShapes(arrays);
addArrayReductions(arrays);
addArrayPointwise(arrays);
addArrayCreation(arrays);
