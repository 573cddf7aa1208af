import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("a state in the address leaves those phones alone", async () => {
  // A third of the made-up phones is connected, at each time another.
  await at("/n/demo/sessions?state=connected", { size: { gateways: 9, subscribers: 120, phones: 72 } });
  expect(await screen.findByText("24 of 72")).toBeTruthy();
});
