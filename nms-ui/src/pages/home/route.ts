import { createRoute } from "@tanstack/react-router";
import { inside } from "@/app/roots";

export const home = createRoute({ getParentRoute: () => inside, path: "/" }).lazy(() =>
  import("./view").then((view) => view.Route),
);
