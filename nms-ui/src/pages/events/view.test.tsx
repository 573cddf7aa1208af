import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
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

test("an IMSI is typed digit by digit, keeps its field where nothing fits, and all comes back", async () => {
  await at("/n/demo/events?range=7d");
  const user = userEvent.setup();
  await user.type(await screen.findByRole("textbox", { name: "IMSI" }), "99x9");
  expect(((await screen.findByRole("textbox", { name: "IMSI" })) as HTMLInputElement).value).toBe("999");
  await screen.findByText("0 rows");
  await user.click(await screen.findByRole("button", { name: "Clear search and filters" }));
  await screen.findByText(/^[1-9]\d+ rows$/);
  expect(((await screen.findByRole("textbox", { name: "IMSI" })) as HTMLInputElement).value).toBe("");
});
