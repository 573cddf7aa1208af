import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const usage = createRoute({ getParentRoute: () => network, path: "/usage" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
