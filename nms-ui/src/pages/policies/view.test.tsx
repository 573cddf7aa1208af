import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("a plan is said as people say it, and opens by its address", async () => {
  await at("/n/demo/policies?id=home");
  const dialog = await screen.findByRole("dialog", { name: "home" });
  expect(await within(dialog).findByDisplayValue("Home")).toBeTruthy();
  expect((await screen.findAllByText(/Mbit\/s/)).length).toBeGreaterThan(0);
});
