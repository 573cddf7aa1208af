import { createRoute } from "@tanstack/react-router";
import { network } from "@/app/roots";

export const checklist = createRoute({ getParentRoute: () => network, path: "/checklist" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
