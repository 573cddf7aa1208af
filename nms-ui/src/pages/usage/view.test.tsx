import { screen } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { at } from "@/test/render";

// Lines are drawn on a canvas, which is for Chromium.
vi.mock("@/ui/chart", () => ({ Chart: () => null }));

test("who used most stands first, each with a link", async () => {
  await at("/n/demo/usage");
  const first = (await screen.findAllByRole("link", { name: /^\d{15}$/ }))[0];
  expect(first?.getAttribute("href")).toBe(`/n/demo/subscribers/${first?.textContent ?? ""}`);
});

test("access points are summed by the address", async () => {
  await at("/n/demo/usage?by=apn");
  expect(await screen.findByRole("cell", { name: "internet" })).toBeTruthy();
});
