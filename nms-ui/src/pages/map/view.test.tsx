import { screen, waitFor } from "@testing-library/react";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("the plain drawing leads to each gateway, and a word leaves some", async () => {
  await at("/n/demo/map?q=harbour");
  expect(await screen.findByRole("link", { name: /Harbour/ })).toBeTruthy();
  await waitFor(() => expect(screen.queryByRole("link", { name: /Quarry/ })).toBeNull());
});

test("what a gateway said last stands at its line with its age", async () => {
  await at("/n/demo/map?q=quarry");
  await screen.findByRole("link", { name: /Quarry/ });
  const said = await screen.findByText("5 h ago");
  expect(Number(said.dataset["moment"])).toBeGreaterThan(0);
});
