import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const subscriber = createRoute({ getParentRoute: () => network, path: "/subscribers/$name" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
