import { createRoute } from "@tanstack/react-router";
import { root } from "@/app/roots";

export const setup = createRoute({ getParentRoute: () => root, path: "/setup" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
