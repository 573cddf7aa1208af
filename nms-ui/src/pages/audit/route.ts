import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const audit = createRoute({ getParentRoute: () => network, path: "/audit" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
