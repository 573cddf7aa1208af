import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const gateways = createRoute({ getParentRoute: () => network, path: "/gateways" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
