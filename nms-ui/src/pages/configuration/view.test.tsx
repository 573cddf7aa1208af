import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("a change that is looked at counts down, shows what it changes, and says whom taking it back touches", async () => {
  await at("/n/demo/configuration?tab=staged&id=s1look");
  const panel = within(await screen.findByRole("dialog", { name: "apns/internet" }));
  await waitFor(() => expect(panel.queryByRole("timer")?.textContent).toMatch(/^2[23]:\d\d left of the look$/));
  expect(await panel.findByRole("cell", { name: "150000000" })).toBeTruthy();
  fireEvent.click(await panel.findByRole("button", { name: "Roll back" }));
  expect(await screen.findByText("3 gateways go back to what they had, a few at a time.")).toBeTruthy();
});

test("the tiers of gateways have a tab", async () => {
  await at("/n/demo/configuration?tab=tiers");
  expect(await screen.findByRole("button", { name: "canary" })).toBeTruthy();
});
