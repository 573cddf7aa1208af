import { fireEvent, screen, waitFor } from "@testing-library/react";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("a gateway that never came says what to do", async () => {
  await at("/n/demo/gateways/gw-0009");
  expect(await screen.findByText(/Never joined/)).toBeTruthy();
});

test("its log is read when that is asked for", async () => {
  const seen = await at("/n/demo/gateways/gw-0001?tab=logs");
  fireEvent.click(await screen.findByRole("button", { name: "Read the last lines" }));
  await screen.findByRole("region", { name: "Logs" });
  await waitFor(() => expect(seen.commands().map((it) => it["kind"])).toEqual(["log-tail"]));
});

test("what touches phones is asked about, with their number", async () => {
  const seen = await at("/n/demo/gateways/gw-0001?tab=state");
  fireEvent.click(await screen.findByRole("button", { name: /^Revoke/ }));
  const dialog = await screen.findByRole("dialog");
  await waitFor(() => expect(dialog.textContent).toContain(` ${seen.phonesAt("gw-0001")} `));
});
