import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { PATIENT, at } from "@/test/render";

test("a state in the address leaves those phones alone", async () => {
  const world = await at("/n/demo/sessions?state=connected");
  const connected = world.phones().filter((it) => it.state === "connected").length;
  expect(await screen.findByText(new RegExp(`^${connected} of 74$`), {}, PATIENT)).toBeTruthy();
});
