import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const baseStations = createRoute({ getParentRoute: () => network, path: "/base-stations" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
