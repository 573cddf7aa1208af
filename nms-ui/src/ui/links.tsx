import { useRouter } from "@tanstack/react-router";
import type { MouseEvent, ReactNode } from "react";
import { useNetwork } from "@/app/network";

interface Props {
  /** Where it leads, below the network. */
  path: string;
  className?: string;
  children: ReactNode;
}

/** A link of a row: it looks at the address only when it is used, where each of the router's own would at every change. */
function RowLink({ path, className, children }: Props) {
  const router = useRouter();
  const to = `/n/${encodeURIComponent(useNetwork())}/${path}`;
  const go = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    void router.navigate({ href: to });
  };
  const ahead = () => void router.preloadRoute({ to: to as "/" }).catch(() => undefined);
  return (
    <a href={to} className={className} onClick={go} onMouseEnter={ahead} onFocus={ahead} onTouchStart={ahead}>
      {children}
    </a>
  );
}

export function GatewayLink({ name }: { name: string }) {
  if (!name) return <span className="soft">–</span>;
  return <RowLink path={`gateways/${encodeURIComponent(name)}`}>{name}</RowLink>;
}

export function SubscriberLink({ imsi }: { imsi: string }) {
  if (!imsi) return <span className="soft">–</span>;
  return (
    <RowLink className="mono" path={`subscribers/${encodeURIComponent(imsi)}`}>
      {imsi}
    </RowLink>
  );
}
