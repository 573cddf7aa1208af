import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const alarms = createRoute({ getParentRoute: () => network, path: "/alarms" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
