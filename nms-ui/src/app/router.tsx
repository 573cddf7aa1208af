import type { QueryClient } from "@tanstack/react-query";
import { createRouter } from "@tanstack/react-router";
import { access } from "@/pages/access/route";
import { alarms } from "@/pages/alarms/route";
import { audit } from "@/pages/audit/route";
import { backup } from "@/pages/backup/route";
import { baseStations } from "@/pages/base-stations/route";
import { checklist } from "@/pages/checklist/route";
import { configuration } from "@/pages/configuration/route";
import { events } from "@/pages/events/route";
import { explorer } from "@/pages/explorer/route";
import { federation } from "@/pages/federation/route";
import { gateway } from "@/pages/gateway/route";
import { gateways } from "@/pages/gateways/route";
import { home } from "@/pages/home/route";
import { importPage } from "@/pages/import/route";
import { login } from "@/pages/login/route";
import { map } from "@/pages/map/route";
import { metrics } from "@/pages/metrics/route";
import { networking } from "@/pages/networking/route";
import { overview } from "@/pages/overview/route";
import { policies } from "@/pages/policies/route";
import { sessions } from "@/pages/sessions/route";
import { setup } from "@/pages/setup/route";
import { subscriber } from "@/pages/subscriber/route";
import { subscribers } from "@/pages/subscribers/route";
import { trace } from "@/pages/trace/route";
import { upgrades } from "@/pages/upgrades/route";
import { usage } from "@/pages/usage/route";
import { parseSearch, writeSearch } from "@/lib/search";
import { Loading } from "@/ui/page";
import { inside, network, root } from "./roots";

const tree = root.addChildren([
  login,
  setup,
  inside.addChildren([
    home,
    network.addChildren([
      overview,
      checklist,
      gateways,
      gateway,
      baseStations,
      map,
      subscribers,
      subscriber,
      importPage,
      sessions,
      policies,
      networking,
      usage,
      alarms,
      metrics,
      trace,
      events,
      upgrades,
      federation,
      configuration,
      audit,
      access,
      backup,
      explorer,
    ]),
  ]),
]);

export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { client },
    parseSearch,
    stringifySearch: writeSearch,
    defaultPreload: "intent",
    defaultPendingMs: 300,
    defaultPendingComponent: Loading,
    scrollRestoration: true,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
