import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { PATIENT, at } from "@/test/render";

test("who has an address of their own is told with it", async () => {
  const world = await at("/n/demo/networking");
  const all = world.collection("demo", "subscribers");
  const [name = "", first] = [...all][0] ?? [];
  if (first) all.set(name, { ...first, body: { ...first.body, active_apns: [{ apn: "internet", static_address: { ipv4: "10.99.0.7" }, framed_routes: ["192.168.50.0/24"] }] } });
  expect(await screen.findByRole("cell", { name: "10.99.0.7" }, PATIENT)).toBeTruthy();
  expect(await screen.findByRole("cell", { name: "192.168.50.0/24" }, PATIENT)).toBeTruthy();
});
