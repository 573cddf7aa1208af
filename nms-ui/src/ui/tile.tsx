import { Link } from "@tanstack/react-router";
import { memo } from "react";
import { useNetwork } from "@/app/network";
import type { Search } from "@/lib/search";

interface Props {
  label: string;
  value: string | number;
  /** It should be otherwise. */
  isBad?: boolean;
  note?: string;
  /** The page below the network that has the numbers behind this one. */
  to: string;
  search?: Search;
}

/** A number that is a link; drawn again when it is another. */
export const Tile = memo(function Tile({ label, value, isBad, note, to, search }: Props) {
  const network = useNetwork();
  return (
    <Link className="tile" to={`/n/$network/${to}` as "/n/$network"} params={{ network }} search={(search ?? {}) as never}>
      <span className="label">{label}</span>
      <span className={isBad ? "value bad" : "value"}>{value}</span>
      {note !== undefined && <span className="note">{note}</span>}
    </Link>
  );
});
