import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useNetwork } from "@/app/network";
import type { Search } from "@/lib/search";

interface Props {
  label: ReactNode;
  value: ReactNode;
  note?: ReactNode;
  /** The page below the network that has the numbers behind this one. */
  to: string;
  search?: Search;
}

/** A number that is a link. */
export function Tile({ label, value, note, to, search }: Props) {
  const network = useNetwork();
  return (
    <Link className="tile" to={`/n/$network/${to}` as "/n/$network"} params={{ network }} search={(search ?? {}) as never}>
      <span className="label">{label}</span>
      <span className="value">{value}</span>
      {note !== undefined && <span className="note">{note}</span>}
    </Link>
  );
}
