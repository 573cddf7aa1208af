import { fireEvent, screen, waitFor } from "@testing-library/react";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("who comes without an address is led to the first network", async () => {
  await at("/");
  expect(await screen.findByRole("heading", { level: 1, name: "Overview" })).toBeTruthy();
  expect(window.location.pathname).toBe("/n/demo");
});

test("without a network, one is made with its tenant and a tier", async () => {
  const seen = await at("/", { size: { gateways: 0, subscribers: 0, phones: 0 }, before: (world) => world.collection("", "networks").clear() });
  fireEvent.click(await screen.findByRole("button", { name: "Make the network" }));
  expect(await screen.findByRole("heading", { level: 1, name: "Overview" })).toBeTruthy();
  const made = () => [seen.objects("", "tenants").has("own"), seen.objects("", "networks").has("home"), seen.objects("home", "tiers").has("default")];
  await waitFor(() => expect(made()).toEqual([true, true, true]));
});
