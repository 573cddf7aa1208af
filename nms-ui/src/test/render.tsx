import { render } from "@testing-library/react";
import { answer } from "@mock/handlers";
import { World, type Size } from "@mock/world";
import { App } from "@/app/app";
import { sendThrough } from "@/api/client";
import { loadMessages, type Language } from "@/i18n";

/** Draws the console at an address, against a made-up network that the test may change. */
export async function at(path: string, told: { size?: Size; language?: Language; session?: string | null } = {}): Promise<World> {
  const world = new World(told.size);
  world.session = told.session === undefined ? "ann" : told.session;
  sendThrough(async (input, init) => answer(world, new Request(input, init)));
  window.history.pushState({}, "", path);
  const language = told.language ?? "en";
  render(<App nonce="" first={{ language, messages: await loadMessages(language) }} />);
  return world;
}

/** A slow machine may take its time. */
export const PATIENT = { timeout: 50_000 };
