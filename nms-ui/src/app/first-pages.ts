// Pages that people open the console with: their code is asked for beside the console's own, not after it. All other pages are found by
// the router.

const FIRST: [RegExp, () => Promise<unknown>][] = [
  [/^\/login$/, () => import("@/pages/login/view")],
  [/^\/n\/[^/]+\/?$/, () => import("@/pages/overview/view")],
  [/\/gateways$/, () => import("@/pages/gateways/view")],
  [/\/subscribers$/, () => import("@/pages/subscribers/view")],
  [/\/subscribers\/[^/]+$/, () => import("@/pages/subscriber/view")],
  [/\/sessions$/, () => import("@/pages/sessions/view")],
  [/\/alarms$/, () => import("@/pages/alarms/view")],
];

/** Asks for the code of the page that an address names; a failure is told when the page is drawn. */
export function begin(pathname: string): void {
  const found = FIRST.find(([form]) => form.test(pathname));
  found?.[1]().catch(() => undefined);
}
