import { fireEvent, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("a link of a row opens its page, and leaves a click for another window to the browser", async () => {
  await at("/n/demo/gateways");
  const link = await screen.findByRole("link", { name: "gw-0003" });
  expect(link.getAttribute("href")).toBe("/n/demo/gateways/gw-0003");
  // What nobody prevents is the browser's.
  expect(fireEvent.click(link, { ctrlKey: true })).toBe(true);
  expect(window.location.pathname).toBe("/n/demo/gateways");
  expect(fireEvent.click(link)).toBe(false);
  expect(await screen.findByRole("heading", { name: "gw-0003" })).toBeTruthy();
});
