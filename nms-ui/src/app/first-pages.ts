// Pages that people open the console with: their code is asked for beside the console's own, not after it, and so is what they show.
// All other pages are found by the router.
import { already } from "@/api/already";

/**
 * The form of an address, the page's code, and what it asks at first, as it asks it: of the orchestrator where that begins with a
 * slash, else of its network.
 */
const FIRST: [RegExp, () => Promise<unknown>, string[]?][] = [
  [/^\/login$/, () => import("@/pages/login/view"), ["/api/v1/login/options"]],
  [/^\/n\/([^/]+)\/?$/, () => import("@/pages/overview/view"), ["overview", "gateways?limit=1000", "gateway-states?limit=1000"]],
  [/^\/n\/([^/]+)\/gateways$/, () => import("@/pages/gateways/view"), ["gateways?limit=1000", "gateway-states?limit=1000", "tiers?limit=1000"]],
  [/^\/n\/([^/]+)\/subscribers$/, () => import("@/pages/subscribers/view"), ["subscribers?limit=1000"]],
  [/\/subscribers\/[^/]+$/, () => import("@/pages/subscriber/view")],
  [/\/sessions$/, () => import("@/pages/sessions/view")],
  [/\/alarms$/, () => import("@/pages/alarms/view")],
];

/** What stands around every page of a network asks for: whose name it is. */
const NETWORKS = "/api/v1/networks?limit=1000";

/** Asks for the code of the page that an address names, and with `ask` for its data; a failure is told when the page is drawn. */
export function begin(pathname: string, ask: ((address: string) => Promise<Response>) | undefined): void {
  for (const [form, code, data = []] of FIRST) {
    const found = form.exec(pathname);
    if (!found) continue;
    code().catch(() => undefined);
    const addresses = data.map((it) => (it.startsWith("/") ? it : `/api/v1/networks/${found[1]}/${it}`));
    if (found[1]) addresses.push(NETWORKS);
    if (ask) for (const address of addresses) already(address, ask(address));
    return;
  }
}
