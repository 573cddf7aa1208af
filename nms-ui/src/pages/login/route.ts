import { createRoute } from "@tanstack/react-router";
import { root } from "@/app/roots";

export const login = createRoute({ getParentRoute: () => root, path: "/login" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
