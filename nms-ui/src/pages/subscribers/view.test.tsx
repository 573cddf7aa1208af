import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("a filter of the address holds, and only what fits is counted", async () => {
  await at("/n/demo/subscribers?state=INACTIVE");
  expect(await screen.findByText(/^\d+ of 120$/)).toBeTruthy();
  await waitFor(() => expect(screen.queryByText("001010000000001")).toBeNull());
});

test("a network without subscribers says the next step", async () => {
  await at("/n/demo/subscribers", { size: { gateways: 1, subscribers: 0, phones: 0 } });
  expect(await screen.findByText("There are no subscribers yet")).toBeTruthy();
});

test("typing searches by number, and the address follows", async () => {
  await at("/n/demo/subscribers");
  const search = await screen.findByLabelText("Search");
  await userEvent.type(search, "1555000007");
  await screen.findByText("1 of 120");
  await waitFor(() => expect(window.location.search).toContain("q=1555000007"));
});
