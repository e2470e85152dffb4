/** One half of the architectures that no rule was written for; two files run side by side. */
import { describe } from "node:test";
import { testArchitectures } from "./testing/architectures";

describe("architectures that no rule was written for, first half", () => testArchitectures(0, 2));
