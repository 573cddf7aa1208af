import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("each step is seen, not ticked", async () => {
  await at("/n/demo/checklist");
  expect(await screen.findByText("7 of 7 done")).toBeTruthy();
});

test("without gateways the next step is to add one", async () => {
  await at("/n/demo/checklist", { size: { gateways: 0, subscribers: 0, phones: 0 } });
  expect(await screen.findByRole("button", { name: "Add a gateway" })).toBeTruthy();
});
