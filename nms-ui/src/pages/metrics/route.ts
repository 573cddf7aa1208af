import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const metrics = createRoute({ getParentRoute: () => network, path: "/metrics" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
