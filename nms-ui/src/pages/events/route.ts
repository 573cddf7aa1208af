import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const events = createRoute({ getParentRoute: () => network, path: "/events" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
