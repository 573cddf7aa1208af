import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const subscribers = createRoute({ getParentRoute: () => network, path: "/subscribers" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
