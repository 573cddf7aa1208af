import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const networking = createRoute({ getParentRoute: () => network, path: "/networking" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
