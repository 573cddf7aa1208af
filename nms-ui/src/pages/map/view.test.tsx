import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { PATIENT, at } from "@/test/render";

test("the plain drawing leads to each gateway, and a word leaves some", async () => {
  await at("/n/demo/map?q=harbour");
  expect(await screen.findByRole("link", { name: /Harbour/ }, PATIENT)).toBeTruthy();
  expect(screen.queryByRole("link", { name: /Quarry/ })).toBeNull();
});
