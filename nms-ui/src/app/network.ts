import { useParams } from "@tanstack/react-router";
import { may, useMe } from "@/api/session";

/** The network that the address names. */
export function useNetwork(): string {
  const { network } = useParams({ strict: false }) as { network?: string };
  return network ?? "";
}

/** Whether one may change things in this network. */
export function useMayChange(): boolean {
  const network = useNetwork();
  return may(useMe().data, "operator", network);
}
