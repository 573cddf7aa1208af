import { screen, waitFor } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { at } from "@/test/render";

// Lines are drawn on a canvas, which is for Chromium.
vi.mock("@/ui/chart", () => ({ Chart: () => null }));

test("every number is a link to what is behind it", async () => {
  await at("/n/demo");
  expect((await screen.findByText("7 / 9")).closest("a")?.getAttribute("href")).toBe("/n/demo/gateways");
  await waitFor(() => {
    const leads = [...document.querySelectorAll(".tile")].map((it) => it.getAttribute("href")?.startsWith("/n/demo/"));
    expect(leads).toEqual([true, true, true, true, true, true, true]);
  });
});

test("a network without gateways begins with the checklist", async () => {
  await at("/n/demo", { size: { gateways: 0, subscribers: 0, phones: 0 } });
  expect((await screen.findByRole("link", { name: "Setup checklist", current: false })).getAttribute("href")).toBe("/n/demo/checklist");
});
