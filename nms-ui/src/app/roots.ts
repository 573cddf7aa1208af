// The two roots: pages for everybody, and pages of a network for who is logged in.
import type { QueryClient } from "@tanstack/react-query";
import { createRootRouteWithContext, createRoute, redirect } from "@tanstack/react-router";
import { Refused } from "@/api/problem";
import { meQuery } from "@/api/session";
import { readSearch } from "@/lib/search";
import { Broken, Lost } from "./lost";
import { Shell } from "./shell";

export interface Context {
  client: QueryClient;
}

export const root = createRootRouteWithContext<Context>()({
  validateSearch: readSearch,
  notFoundComponent: Lost,
  errorComponent: Broken,
});

/** Whoever is not logged in logs in first and comes back. */
export const inside = createRoute({
  getParentRoute: () => root,
  id: "inside",
  beforeLoad: async ({ context, location }) => {
    try {
      await context.client.ensureQueryData(meQuery);
    } catch (error) {
      if (!(error instanceof Refused) || error.problem.status !== 401) throw error;
      throw redirect({ to: "/login", search: { next: location.href } as never });
    }
  },
});

export const network = createRoute({ getParentRoute: () => inside, path: "/n/$network", component: Shell });
