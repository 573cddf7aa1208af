import { expect, test } from "vitest";
import { masked } from "./masked";

test("keys of SIM cards are not shown again, whatever their column is called; all else is", () => {
  expect(["keys.k", "keys.opc", "K", "OPc", "topc"].map((column) => masked(column, "465B5CE8"))).toEqual(Array(5).fill("••••••••"));
  expect(["name", "title", "msisdn", "data_plan"].map((column) => masked(column, "x"))).toEqual(Array(4).fill("x"));
  expect(masked("keys.k", "")).toBe("");
});
