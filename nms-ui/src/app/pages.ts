// The pages of a network, in the order of the navigation.
import type { MessageKey } from "@/i18n";
import type { IconName } from "@/ui/icon";

export interface PageEntry {
  path: string;
  title: MessageKey;
  icon: IconName;
}

export const GROUPS: { title: MessageKey; pages: PageEntry[] }[] = [
  {
    title: "nav.group.network",
    pages: [
      { path: "", title: "nav.overview", icon: "overview" },
      { path: "checklist", title: "nav.checklist", icon: "check" },
      { path: "gateways", title: "nav.gateways", icon: "gateway" },
      { path: "base-stations", title: "nav.stations", icon: "station" },
      { path: "map", title: "nav.map", icon: "map" },
    ],
  },
  {
    title: "nav.group.people",
    pages: [
      { path: "subscribers", title: "nav.subscribers", icon: "person" },
      { path: "sessions", title: "nav.sessions", icon: "session" },
      { path: "policies", title: "nav.policies", icon: "policy" },
      { path: "networking", title: "nav.networking", icon: "network" },
      { path: "usage", title: "nav.usage", icon: "usage" },
    ],
  },
  {
    title: "nav.group.watch",
    pages: [
      { path: "alarms", title: "nav.alarms", icon: "alarm" },
      { path: "metrics", title: "nav.metrics", icon: "metrics" },
      { path: "events", title: "nav.events", icon: "events" },
      { path: "trace", title: "nav.trace", icon: "trace" },
    ],
  },
  {
    title: "nav.group.manage",
    pages: [
      { path: "upgrades", title: "nav.upgrades", icon: "up" },
      { path: "federation", title: "nav.federation", icon: "federation" },
      { path: "configuration", title: "nav.configuration", icon: "history" },
      { path: "audit", title: "nav.audit", icon: "audit" },
      { path: "access", title: "nav.access", icon: "access" },
      { path: "backup", title: "nav.backup", icon: "backup" },
      { path: "api", title: "nav.explorer", icon: "code" },
    ],
  },
];

export const PAGES: PageEntry[] = GROUPS.flatMap((group) => group.pages);
