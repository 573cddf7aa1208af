import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { PATIENT, at } from "@/test/render";

test("a key is shown once, and only then", async () => {
  await at("/n/demo/access?tab=keys");
  const user = userEvent.setup();
  await user.click((await screen.findAllByRole("button", { name: "Add" }, PATIENT))[0]!);
  await user.type(await screen.findByLabelText(/^Title/, {}, PATIENT), "for scripts");
  await user.click(screen.getByRole("button", { name: "Make the key" }));
  expect(await screen.findByText("bst_made-up-token-shown-once", {}, PATIENT)).toBeTruthy();
  await user.click(screen.getAllByRole("button", { name: "Close" }).at(-1)!);
  await screen.findByText("for scripts", {}, PATIENT);
  expect(screen.queryByText("bst_made-up-token-shown-once")).toBeNull();
});
