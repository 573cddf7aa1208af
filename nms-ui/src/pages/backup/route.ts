import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const backup = createRoute({ getParentRoute: () => network, path: "/backup" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
