import { screen } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { PATIENT, at } from "@/test/render";

// Lines are drawn on a canvas, which is for Chromium.
vi.mock("@/ui/chart", () => ({ Chart: () => null }));

test("every number is a link to what is behind it", async () => {
  await at("/n/demo");
  expect((await screen.findByText("7 / 9", {}, PATIENT)).closest("a")?.getAttribute("href")).toBe("/n/demo/gateways");
  const tiles = [...document.querySelectorAll(".tile")];
  expect(tiles.length).toBe(7);
  expect(tiles.every((it) => it.getAttribute("href")?.startsWith("/n/demo/"))).toBe(true);
});

test("a network without gateways begins with the checklist", async () => {
  const world = await at("/n/demo", { size: { gateways: 1, subscribers: 0, phones: 0 } });
  world.collection("demo", "gateways").clear();
  expect((await screen.findByRole("link", { name: "Setup checklist", current: false }, PATIENT)).getAttribute("href")).toBe("/n/demo/checklist");
});
