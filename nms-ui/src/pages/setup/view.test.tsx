import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("a link that was used is told, and nothing is lost of what was typed", async () => {
  await at("/setup#used", { session: null });
  const user = userEvent.setup();
  await user.type(await screen.findByLabelText(/^Name/), "ann");
  await user.type(await screen.findByLabelText(/^Password/, { selector: "input" }), "correct horse battery");
  await user.click(await screen.findByRole("button", { name: "Make the user" }));
  expect((await screen.findByRole("alert")).textContent).toContain("setup token");
  expect((await screen.findByLabelText(/^Name/) as HTMLInputElement).value).toBe("ann");
});
