import { expect, test } from "vitest";
import { fromCsv, toCsv } from "./csv";
import { fromSimFile } from "./sim-file";

test("what is written is read back", () => {
  const rows = [
    ["name", "title"],
    ["1", 'says "hello", twice'],
    ["2", "two\nlines"],
  ];
  expect(fromCsv(toCsv(rows))).toEqual(rows);
});

test("a spreadsheet takes no cell for a formula", () => {
  expect(toCsv([["=1+1", "-12", "@x"]])).toBe("'=1+1,-12,'@x\r\n");
});

test("a vendor's file becomes rows of the import, without what is no business of a core", () => {
  const text = "* made by a vendor\nCustomer: x\nvar_out: IMSI/PIN1/Ki/OPc\n001010000000001 1234 465B5CE8B199B49FAA5F0A2EE238A6BC E8ED289DEBA952E4283B54E88E6183CA\n";
  const read = fromSimFile(text);
  expect(read.problem).toBeNull();
  expect(fromCsv(read.csv)).toEqual([
    ["name", "keys.k", "keys.opc"],
    ["001010000000001", "465B5CE8B199B49FAA5F0A2EE238A6BC", "E8ED289DEBA952E4283B54E88E6183CA"],
  ]);
  expect(fromSimFile("IMSI;Ki").problem).not.toBeNull();
  expect(fromSimFile("var_out: IMSI/PIN").problem).not.toBeNull();
});
