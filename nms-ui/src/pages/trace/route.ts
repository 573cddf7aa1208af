import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const trace = createRoute({ getParentRoute: () => network, path: "/trace" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
