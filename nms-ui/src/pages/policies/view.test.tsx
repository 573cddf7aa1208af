import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { PATIENT, at } from "@/test/render";

test("a plan is said as people say it, and opens by its address", async () => {
  await at("/n/demo/policies?id=home");
  const dialog = await screen.findByRole("dialog", { name: "home" }, PATIENT);
  expect((await within(dialog).findByLabelText(/^Title/, {}, PATIENT) as HTMLInputElement).value).not.toBe("");
  expect(screen.getAllByText(/Mbit\/s/).length).toBeGreaterThan(0);
});
