import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const overview = createRoute({ getParentRoute: () => network, path: "/" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
