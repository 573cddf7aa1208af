import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("a route of the document is found by its words", async () => {
  await at("/n/demo/api?id=list_gateway_states");
  expect((await screen.findAllByText(/\/gateway-states/)).length).toBeGreaterThan(0);
});
