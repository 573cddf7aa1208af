import { Button } from "@mantine/core";
import { Suspense, lazy, useState, type ComponentProps, type ReactNode } from "react";
import { Icon, type IconName } from "./icon";

// The menu comes when it is opened: with it come the parts that place it.
const OpenedMenu = lazy(() => import("./opened-menu"));

export interface MenuEntry {
  id: string;
  label: string;
  /** What it does; without, and without an address, it can do nothing now. */
  act?: (() => void) | undefined;
  /** A file that it saves. */
  href?: string;
  /** Whether it is chosen, of those that are. */
  isChosen?: boolean;
}

export interface MenuProps {
  icon: IconName;
  label: ReactNode;
  /** Said for what is shown as a sign alone. */
  name?: string;
  position: "top-start" | "bottom-end";
  /** Made while it is open. */
  entries: () => MenuEntry[];
}

/** The button that a menu hangs on. */
export function Hook({ of, ...rest }: { of: MenuProps } & ComponentProps<"button">) {
  return (
    <Button {...rest} variant="default" leftSection={<Icon name={of.icon} size={14} />} {...(of.name ? { "aria-label": of.name } : {})}>
      {of.label}
    </Button>
  );
}

export function MenuButton(props: MenuProps) {
  const [isAsked, setAsked] = useState(false);
  const button = <Hook of={props} aria-haspopup="menu" aria-expanded={isAsked} onClick={() => setAsked(true)} />;
  if (!isAsked) return button;
  return (
    <Suspense fallback={button}>
      <OpenedMenu of={props} />
    </Suspense>
  );
}
