import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const configuration = createRoute({ getParentRoute: () => network, path: "/configuration" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
