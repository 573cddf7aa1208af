import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const gateway = createRoute({ getParentRoute: () => network, path: "/gateways/$name" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
