// The editor comes when it is opened: with it come all inputs, and pages are there sooner.
import { Suspense, lazy, type ComponentProps } from "react";
import type { ObjectForm } from "./editor";

const Whole = lazy(() => import("./editor"));

export type { ObjectForm };

export function Editor(props: ComponentProps<typeof Whole>) {
  return (
    <Suspense>
      <Whole {...props} />
    </Suspense>
  );
}
