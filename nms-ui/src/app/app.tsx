import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { useState } from "react";
import { Refused } from "@/api/problem";
import { onEnded } from "@/api/credentials";
import { meQuery } from "@/api/session";
import { Words, type Language, type MessageKey } from "@/i18n";
import { Toasts } from "@/ui/toast";
import { makeRouter } from "./router";
import { theme } from "./theme";

const TRIES = 2;

function makeClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // A refusal stays one; only an orchestrator that does not answer is asked again.
        retry: (times, error) => times < TRIES && error instanceof Refused && error.problem.status === 0,
        refetchOnWindowFocus: false,
        networkMode: "always",
      },
      mutations: { networkMode: "always" },
    },
  });
}

/** What the console runs on: made before it is drawn, so that what the page needs is asked for meanwhile. */
export interface Core {
  client: QueryClient;
  router: ReturnType<typeof makeRouter>;
}

export function makeCore(): Core {
  const client = makeClient();
  const router = makeRouter(client);
  onEnded(() => {
    // At the door already: a wrong password ends no session.
    if (router.state.location.pathname === "/login") return;
    client.clear();
    void router.navigate({ to: "/login", search: { next: router.state.location.href } as never });
  });
  return { client, router };
}

const DOORS = ["/login", "/setup"];

/** Asks for the page's own code and for who looks at it at once, beside each other: a slow line is waited for once. */
export function hasten({ client, router }: Core): void {
  const { pathname } = window.location;
  const [matched] = router.getMatchedRoutes(pathname);
  for (const route of matched) void router.loadRouteChunk(route)?.catch(() => undefined);
  if (!DOORS.includes(pathname)) void client.prefetchQuery(meQuery);
}

interface Props {
  nonce: string;
  core?: Core;
  first: { language: Language; messages: Record<MessageKey, string> };
}

/** The whole console. */
export function App({ nonce, first, core }: Props) {
  const [{ client, router }] = useState(() => core ?? makeCore());
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce} deduplicateInlineStyles>
      <QueryClientProvider client={client}>
        <Words first={first}>
          <Toasts>
            <RouterProvider router={router} />
          </Toasts>
        </Words>
      </QueryClientProvider>
    </MantineProvider>
  );
}
