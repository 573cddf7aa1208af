// Which gateways an object is for: those that a staged change of it reaches.
import { valueAt } from "./diff";

/** Kinds that no gateway needs: whom alarms go to, and what counts as one. */
const OF_NO_GATEWAY = ["alert-rules", "alert-receivers", "silences", "acknowledgements", "webhooks", "tenants"];
/** What changes are staged to: these are made and deleted at once. */
const STAGED_TO = ["gateways", "networks"];

/** Whether a change of an object of a collection can be staged; `exists` says that it stays. */
export function stageable(collection: string, exists: boolean): boolean {
  return !OF_NO_GATEWAY.includes(collection) && (exists || !STAGED_TO.includes(collection));
}

interface Gateway {
  name: string;
  body?: { tier?: string | null };
}

type Body = Record<string, unknown> | null | undefined;

/** The gateways that may need an object, as it was or as it will be. */
export function reach<G extends Gateway>(gateways: readonly G[], collection: string, name: string, bodies: Body[]): G[] {
  if (collection === "gateways") return gateways.filter((it) => it.name === name);
  if (collection === "enodebs" || collection === "gnodebs") {
    const owners = bodies.map((body) => valueAt(body, ["gateway"]));
    return gateways.filter((it) => owners.includes(it.name));
  }
  if (collection === "tracking-areas") {
    const chosen = bodies.filter((body) => body).map((body) => valueAt(body, ["gateways"]));
    const isOfAll = chosen.some((it) => !Array.isArray(it) || it.length === 0);
    return isOfAll ? [...gateways] : gateways.filter((it) => chosen.some((names) => (names as unknown[]).includes(it.name)));
  }
  return [...gateways];
}

/** How many go first: per cent of those of the tier, at least one; of all, where none is of that tier. */
export function firstOf(gateways: readonly Gateway[], tier: string | null | undefined, percent: number): number {
  const ofTier = tier ? gateways.filter((it) => it.body?.tier === tier).length : 0;
  return Math.ceil(((ofTier || gateways.length) * percent) / 100);
}
