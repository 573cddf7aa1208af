import { screen, waitFor } from "@testing-library/react";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("events of one subscriber are asked for by the address", async () => {
  await at("/n/demo/events?imsi=001010000000005&range=7d");
  await screen.findByRole("heading", { level: 1, name: "Events" });
  await waitFor(() => {
    const links = screen.queryAllByRole("link", { name: /^0010100000000\d\d$/ });
    expect(new Set(links.map((it) => it.textContent))).toEqual(new Set(["001010000000005"]));
  });
});
