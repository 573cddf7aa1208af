import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const explorer = createRoute({ getParentRoute: () => network, path: "/api" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
