/** @file The table of all operations on tensors. */
import { OperationTable } from "../operation";
import { addContractions } from "./contractions";
import { addCreation } from "./creation";
import { addFourier } from "./fourier";
import { addIdentities } from "./identities";
import { addIndexed } from "./indexed";
import { addKnownData } from "./known-data";
import { addNormalisation } from "./normalisation";
import { addPointwise } from "./pointwise";
import { addReductions } from "./reductions";
import { addShapes } from "./shapes";
import { addSpatial } from "./spatial";

/** All operations on tensors by torch's names. */
export const operations = new OperationTable();
addPointwise(operations);
addReductions(operations);
addShapes(operations);
addContractions(operations);
addSpatial(operations);
addNormalisation(operations);
addCreation(operations);
addIdentities(operations);
addFourier(operations);
addIndexed(operations);
addKnownData(operations);
