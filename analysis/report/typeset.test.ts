import assert from "node:assert/strict";
import { test } from "node:test";
import { typesetGroup } from "./typeset";

test("groups are written with the signs of the blackboard", () => {
  const cases = {
    "S(64)": "S(64)",
    "S(64) with R*^64, 2 ways": "S(64) with (ℝ*)⁶⁴, 2 ways",
    "R+ x O(2) with R*^2": "ℝ₊ × O(2) with (ℝ*)²",
    "R+^128 x Z2^3": "(ℝ₊)¹²⁸ × ℤ₂³",
    "R^4": "ℝ⁴",
    R: "ℝ",
    "S(16) with GL(16) per head": "S(16) with GL(16) per head",
  };
  for (const [group, wanted] of Object.entries(cases)) assert.equal(typesetGroup(group), wanted);
});
