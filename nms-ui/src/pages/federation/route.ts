import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const federation = createRoute({ getParentRoute: () => network, path: "/federation" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
