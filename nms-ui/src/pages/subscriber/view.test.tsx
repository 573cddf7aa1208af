import { fireEvent, screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { PATIENT, at } from "@/test/render";

test("suspending says whom it disconnects, and can be copied instead", async () => {
  const world = await at("/n/demo/subscribers/001010000000002");
  fireEvent.click(await screen.findByRole("button", { name: "Suspend" }, PATIENT));
  const dialog = await screen.findByRole("dialog", {}, PATIENT);
  expect(within(dialog).getByRole("button", { name: "Copy as" })).toBeTruthy();
  fireEvent.click(within(dialog).getByRole("button", { name: "Suspend" }));
  expect(await screen.findByRole("button", { name: "Resume" }, PATIENT)).toBeTruthy();
  expect(world.collection("demo", "subscribers").get("001010000000002")?.body?.["state"]).toBe("INACTIVE");
});

test("a number that nobody has is told", async () => {
  await at("/n/demo/subscribers/001010000999999");
  expect(await screen.findByRole("note", {}, PATIENT)).toBeTruthy();
});
