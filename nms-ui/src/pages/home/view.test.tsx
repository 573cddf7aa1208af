import { fireEvent, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { PATIENT, at } from "@/test/render";

test("who comes without an address is led to the first network", async () => {
  await at("/");
  expect(await screen.findByRole("heading", { level: 1, name: "Overview" }, PATIENT)).toBeTruthy();
  expect(window.location.pathname).toBe("/n/demo");
});

test("without a network, one is made with its tenant and a tier", async () => {
  const world = await at("/", { size: { gateways: 0, subscribers: 0, phones: 0 } });
  world.collection("", "networks").clear();
  fireEvent.click(await screen.findByRole("button", { name: "Make the network" }, PATIENT));
  expect(await screen.findByRole("heading", { level: 1, name: "Overview" }, PATIENT)).toBeTruthy();
  expect([world.collection("", "tenants").has("own"), world.collection("", "networks").has("home"), world.collection("home", "tiers").has("default")]).toEqual([true, true, true]);
});
