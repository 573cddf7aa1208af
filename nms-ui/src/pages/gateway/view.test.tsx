import { fireEvent, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { PATIENT, at } from "@/test/render";

test("a gateway that never came says what to do", async () => {
  await at("/n/demo/gateways/gw-0009");
  expect(await screen.findByText(/Never joined/, {}, PATIENT)).toBeTruthy();
});

test("its log is read when that is asked for", async () => {
  const world = await at("/n/demo/gateways/gw-0001?tab=logs");
  fireEvent.click(await screen.findByRole("button", { name: "Read the last lines" }, PATIENT));
  await screen.findByRole("region", { name: "Logs" }, PATIENT);
  expect(world.commands.map((it) => it["kind"])).toEqual(["log-tail"]);
});

test("what touches phones is asked about, with their number", async () => {
  const world = await at("/n/demo/gateways/gw-0001?tab=state");
  fireEvent.click(await screen.findByRole("button", { name: /^Revoke/ }, PATIENT));
  const phones = world.states().find((it) => it.gateway === "gw-0001")?.state?.registered_ues ?? -1;
  expect((await screen.findByRole("dialog", {}, PATIENT)).textContent).toContain(String(phones));
});
