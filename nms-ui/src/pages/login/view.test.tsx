import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("a wrong password is told, and the right one leads to where one was going", async () => {
  await at("/login?next=%2Fn%2Fdemo%2Fbackup", { session: null });
  const user = userEvent.setup();
  await user.type(await screen.findByLabelText(/^Name/), "ann");
  await user.type(await screen.findByLabelText(/^Password/, { selector: "input" }), "wrong");
  await user.click(await screen.findByRole("button", { name: "Log in" }));
  expect((await screen.findByRole("alert")).textContent).toContain("Name or password is wrong");
  await user.clear(await screen.findByLabelText(/^Password/, { selector: "input" }));
  await user.type(await screen.findByLabelText(/^Password/, { selector: "input" }), "correct horse battery");
  await user.click(await screen.findByRole("button", { name: "Log in" }));
  expect(await screen.findByRole("heading", { level: 1, name: "Backup" })).toBeTruthy();
});
