// Who is here: login, logout, the first user, and what one may do.
import { useQuery } from "@tanstack/react-query";
import type { Me } from "./answers";
import { api, unwrap } from "./client";
import { began, ended } from "./credentials";
import type { Schemas } from "./objects";

export async function logIn(name: string, password: string): Promise<void> {
  const body = { name, password, cookie: true };
  const session = await unwrap(api.POST("/api/v1/sessions", { body }));
  began(session.csrf_token);
}

/** Providers of identity by which people may log in, too. */
export const loginOptionsQuery = {
  queryKey: ["login-options"],
  queryFn: () => unwrap(api.GET("/api/v1/login/options")),
  staleTime: 60_000,
  retry: false,
} as const;

export async function logOut(): Promise<void> {
  try {
    await unwrap(api.DELETE("/api/v1/sessions/current"));
  } finally {
    ended();
  }
}

/** Makes the first user with the token of the setup link. */
export async function setUp(token: string, name: string, password: string): Promise<void> {
  await unwrap(api.POST("/api/v1/setup", { body: { token, name, password } }));
}

export const meQuery = {
  queryKey: ["me"],
  queryFn: async () => {
    const me = await unwrap(api.GET("/api/v1/me"));
    began(me.csrf_token);
    return me;
  },
  staleTime: 60_000,
  retry: false,
} as const;

export function useMe() {
  return useQuery(meQuery);
}

const RANK: Record<Schemas["Role"], number> = { viewer: 0, operator: 1, admin: 2 };

/** Whether somebody has a role in a network; the orchestrator decides, this only spares a refusal. */
export function may(me: Me | undefined, role: Schemas["Role"], network: string | null): boolean {
  return (me?.grants ?? []).some((grant) => {
    if (RANK[grant.role] < RANK[role]) return false;
    if (grant.scope === "everything") return true;
    // Which tenant a network has is the orchestrator's knowledge: a grant over a tenant is tried.
    return network !== null && ("tenant" in grant.scope || grant.scope.network === network);
  });
}
