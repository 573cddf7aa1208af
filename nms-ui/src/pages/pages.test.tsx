import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { PAGES } from "@/app/pages";
import catalogue from "@/i18n/catalogue.json";
import { at } from "@/test/render";

// The charts draw on a canvas, which is for Chromium.
const DRAWN = ["usage", "metrics"];

test.each(PAGES.filter((page) => !DRAWN.includes(page.path)).map((page) => [page.path, page.title] as const))("the page /%s is there in Spanish", async (path, title) => {
  await at(`/n/demo/${path}`, { language: "es" });
  expect(await screen.findByRole("heading", { level: 1, name: catalogue[title][1] ?? "" })).toBeTruthy();
});

test("without a session the login comes first, and knows where to go back to", async () => {
  await at("/n/demo/audit", { session: null });
  expect(await screen.findByRole("heading", { name: "Log in to Basalt" })).toBeTruthy();
  expect(new URLSearchParams(window.location.search).get("next")).toBe("/n/demo/audit");
});
