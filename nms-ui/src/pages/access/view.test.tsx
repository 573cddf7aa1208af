import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("a key is shown once, and only then", async () => {
  await at("/n/demo/access?tab=keys");
  const user = userEvent.setup();
  await user.click((await screen.findAllByRole("button", { name: "Add" }))[0]!);
  await user.type(await screen.findByLabelText(/^Title/), "for scripts");
  await user.click(await screen.findByRole("button", { name: "Make the key" }));
  expect(await screen.findByText("bst_made-up-token-shown-once")).toBeTruthy();
  await user.click((await screen.findAllByRole("button", { name: "Close" })).at(-1)!);
  await screen.findByText("for scripts");
  await waitFor(() => expect(screen.queryByText("bst_made-up-token-shown-once")).toBeNull());
});
