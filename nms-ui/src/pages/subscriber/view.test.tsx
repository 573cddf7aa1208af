import { fireEvent, screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("suspending says whom it disconnects, and can be copied instead", async () => {
  const seen = await at("/n/demo/subscribers/001010000000002");
  fireEvent.click(await screen.findByRole("button", { name: "Suspend" }));
  const dialog = await screen.findByRole("dialog");
  expect(await within(dialog).findByRole("button", { name: "Copy as" })).toBeTruthy();
  fireEvent.click(await within(dialog).findByRole("button", { name: "Suspend" }));
  expect(await screen.findByRole("button", { name: "Resume" })).toBeTruthy();
  expect(seen.objects("demo", "subscribers").get("001010000000002")?.body?.["state"]).toBe("INACTIVE");
});

test("a number that nobody has is told", async () => {
  await at("/n/demo/subscribers/001010000999999");
  expect(await screen.findByRole("note")).toBeTruthy();
});
