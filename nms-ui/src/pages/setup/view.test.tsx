import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { PATIENT, at } from "@/test/render";

test("a link that was used is told, and nothing is lost of what was typed", async () => {
  await at("/setup#used", { session: null });
  const user = userEvent.setup();
  await user.type(await screen.findByLabelText(/^Name/, {}, PATIENT), "ann");
  await user.type(screen.getByLabelText(/^Password/, { selector: "input" }), "correct horse battery");
  await user.click(screen.getByRole("button", { name: "Make the user" }));
  expect((await screen.findByRole("alert", {}, PATIENT)).textContent).toContain("setup token");
  expect((screen.getByLabelText(/^Name/) as HTMLInputElement).value).toBe("ann");
});
