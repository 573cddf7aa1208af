import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const map = createRoute({ getParentRoute: () => network, path: "/map" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
