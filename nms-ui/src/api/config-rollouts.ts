// Changes of objects that reach some gateways first.
import { useQuery } from "@tanstack/react-query";
import type { Act } from "@/lib/rollout";
import { request } from "./client";
import { LIVE } from "./fleet";
import type { paths } from "./generated/schema";
import { collectionPath, objectPath } from "./objects";

type Route = paths["/api/v1/networks/{network}/config-rollouts"];
export type ConfigRollout = Route["post"]["responses"]["201"]["content"]["application/json"];
export type ConfigRolloutRequest = Route["post"]["requestBody"]["content"]["application/json"];
export type StagedChange = ConfigRolloutRequest["changes"][number];

const JSON_FORM = { "content-type": "application/json" };

export function configRolloutsPath(network: string): string {
  return collectionPath(network, "config-rollouts");
}

export const configRolloutsKey = (network: string) => ["config-rollouts", network] as const;

/** Staged changes of a network, the newest first. */
export function useConfigRollouts(network: string, often = LIVE) {
  return useQuery({
    queryKey: configRolloutsKey(network),
    queryFn: async () => ((await request("GET", `${configRolloutsPath(network)}?limit=200`)).body as { items: ConfigRollout[] }).items,
    refetchInterval: often,
  });
}

export async function startConfigRollout(network: string, plan: ConfigRolloutRequest): Promise<ConfigRollout> {
  return (await request("POST", configRolloutsPath(network), JSON.stringify(plan), JSON_FORM)).body as ConfigRollout;
}

export async function actOnConfigRollout(network: string, id: string, act: Act): Promise<ConfigRollout> {
  return (await request("POST", `${objectPath(network, "config-rollouts", id)}/act`, JSON.stringify({ act }), JSON_FORM)).body as ConfigRollout;
}
