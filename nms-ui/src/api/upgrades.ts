// Releases that gateways may fetch, and their rollout to a tier.
import { useQuery } from "@tanstack/react-query";
import type { Release, Rollout } from "./answers";
import { request } from "./client";
import { LIVE } from "./fleet";
import { collectionPath, objectPath, type Schemas } from "./objects";

const JSON_FORM = { "content-type": "application/json" };
/** Octets that are sent at once; the orchestrator takes 1 MiB at most. */
const PIECE = 512 * 1024;

export function useReleases() {
  return useQuery({
    queryKey: ["releases"],
    queryFn: async () => ((await request("GET", "/api/v1/releases")).body as { items: Release[] }).items,
    refetchInterval: 10_000,
  });
}

export function useRollouts(network: string) {
  return useQuery({
    queryKey: ["rollouts", network],
    queryFn: async () => ((await request("GET", `${collectionPath(network, "rollouts")}?limit=200`)).body as { items: Rollout[] }).items,
    refetchInterval: LIVE,
  });
}

export function rolloutsPath(network: string): string {
  return collectionPath(network, "rollouts");
}

export async function startRollout(network: string, plan: Schemas["RolloutPlan"]): Promise<Rollout> {
  return (await request("POST", rolloutsPath(network), JSON.stringify(plan), JSON_FORM)).body as Rollout;
}

export async function actOnRollout(network: string, id: string, act: Schemas["RolloutAct"]): Promise<Rollout> {
  return (await request("POST", `${objectPath(network, "rollouts", id)}/act`, JSON.stringify({ act }), JSON_FORM)).body as Rollout;
}

export async function deleteRelease(name: string): Promise<void> {
  await request("DELETE", `/api/v1/releases/${encodeURIComponent(name)}`);
}

/** Makes a release known and sends its program in pieces; one that was begun before goes on where it stopped. */
export async function addRelease(wanted: Schemas["ReleaseRequest"], file: Blob, told: (share: number) => void): Promise<Release> {
  let release = (await request("POST", "/api/v1/releases", JSON.stringify(wanted), JSON_FORM)).body as Release;
  const path = `/api/v1/releases/${encodeURIComponent(release.name)}/data`;
  while (!release.complete) {
    const place = release.received;
    const piece = file.slice(place, place + PIECE);
    release = (await request("PUT", `${path}?place=${place}`, piece, { "content-type": "application/octet-stream" })).body as Release;
    if (!release.complete && release.received <= place) throw new Error("the orchestrator takes no more of it");
    told(release.received / file.size);
  }
  return release;
}
