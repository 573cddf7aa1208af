import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { at } from "@/test/render";

test("who has an address of their own is told with it", async () => {
  await at("/n/demo/networking", {
    before: (world) => {
      // Of the others none has any: a table draws only the rows in sight, and which those are may change while it fills.
      const own = [{ apn: "internet", static_address: { ipv4: "10.99.0.7" }, framed_routes: ["192.168.50.0/24"] }];
      const all = world.collection("demo", "subscribers");
      for (const [index, [name, it]] of [...all].entries()) all.set(name, { ...it, body: { ...it.body, active_apns: index === 0 ? own : [] } });
    },
  });
  expect(await screen.findByRole("cell", { name: "10.99.0.7" })).toBeTruthy();
  expect(await screen.findByRole("cell", { name: "192.168.50.0/24" })).toBeTruthy();
});
