import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const importPage = createRoute({ getParentRoute: () => network, path: "/import" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
