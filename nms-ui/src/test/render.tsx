import { render } from "@testing-library/react";
import { answer } from "@mock/handlers";
import { World, type Size } from "@mock/world";
import { App } from "@/app/app";
import { sendThrough } from "@/api/client";
import type { AnyObject } from "@/api/objects";
import { loadMessages, type Language } from "@/i18n";

interface Told {
  size?: Size;
  language?: Language;
  session?: string | null;
  /** Changes the made-up network before anything is drawn of it. Afterwards only the console changes it. */
  before?: (world: World) => void;
}

/** What a test may read of the made-up network while the console draws it. */
export interface Seen {
  commands(): readonly Readonly<Record<string, unknown>>[];
  phonesAt(gateway: string): number | undefined;
  objects(network: string, collection: string): ReadonlyMap<string, Readonly<AnyObject>>;
}

/** Draws the console at an address, against a made-up network of its own. */
export async function at(path: string, told: Told = {}): Promise<Seen> {
  const world = new World(told.size);
  world.session = told.session === undefined ? "ann" : told.session;
  told.before?.(world);
  sendThrough(async (input, init) => answer(world, new Request(input, init)));
  window.history.pushState({}, "", path);
  const language = told.language ?? "en";
  render(<App nonce="" first={{ language, messages: await loadMessages(language) }} />);
  return {
    commands: () => world.commands,
    phonesAt: (gateway) => world.states().find((it) => it.gateway === gateway)?.state?.registered_ues,
    objects: (network, collection) => world.collection(network, collection),
  };
}
