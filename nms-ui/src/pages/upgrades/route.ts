import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const upgrades = createRoute({ getParentRoute: () => network, path: "/upgrades" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
