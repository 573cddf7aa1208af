import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const sessions = createRoute({ getParentRoute: () => network, path: "/sessions" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
