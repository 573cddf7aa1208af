import { sendThrough } from "@/api/client";
import { answer } from "./handlers";
import { World } from "./world";

/** Answers the console's requests within the browser: for development, pictures and tests. */
export function pretend(): void {
  const told = new URLSearchParams(location.search).get("mock-size") ?? localStorage.getItem("mock-size") ?? "small";
  const world = new World(told === "large" ? { gateways: 10_000, subscribers: 100_000, phones: 2_000 } : undefined);
  // Development starts logged in, unless a test wants the door, or another user.
  const who = localStorage.getItem("mock-session") ?? "ann";
  if (who !== "none") world.session = who;
  // A new installation: nobody has made a network yet.
  if (localStorage.getItem("mock-networks") === "none") world.collection("", "networks").clear();
  // For tests, which are somebody else at the same time.
  Object.assign(globalThis, { pretended: world });
  sendThrough(async (input, init) => answer(world, new Request(input, init)));
}
