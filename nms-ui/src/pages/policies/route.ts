import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const policies = createRoute({ getParentRoute: () => network, path: "/policies" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
