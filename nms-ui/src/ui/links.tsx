import { Link } from "@tanstack/react-router";
import { useNetwork } from "@/app/network";

export function GatewayLink({ name }: { name: string }) {
  const network = useNetwork();
  if (!name) return <span className="soft">–</span>;
  return (
    <Link to="/n/$network/gateways/$name" params={{ network, name }}>
      {name}
    </Link>
  );
}

export function SubscriberLink({ imsi }: { imsi: string }) {
  const network = useNetwork();
  if (!imsi) return <span className="soft">–</span>;
  return (
    <Link className="mono" to="/n/$network/subscribers/$name" params={{ network, name: imsi }}>
      {imsi}
    </Link>
  );
}
