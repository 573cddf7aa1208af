import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const access = createRoute({ getParentRoute: () => network, path: "/access" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
