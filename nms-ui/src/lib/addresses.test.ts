import { expect, test } from "vitest";
import { addressOf } from "./addresses";

test("whole addresses are told from names, numbers and parts of addresses", () => {
  expect(["10.45.0.6", " 10.45.0.6 ", "255.255.255.255", "2001:DB8::1"].map(addressOf)).toEqual(["10.45.0.6", "10.45.0.6", "255.255.255.255", "2001:db8::1"]);
  expect(["", "10.45", "10.45.0.", "256.1.1.1", "1.2.3.4.5", "001010000000001", "clinic", "a:b", "1:::2"].map(addressOf)).toEqual(Array(9).fill(""));
});
