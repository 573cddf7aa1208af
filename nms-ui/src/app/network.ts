import { createContext, useContext } from "react";
import { may, useMe } from "@/api/session";

/** The network that the address names, for all that stands on its pages. */
export const NetworkContext = createContext("");

/** The network that the address names; empty before there is one. */
export function useNetwork(): string {
  return useContext(NetworkContext);
}

/** Whether one may change things in this network. */
export function useMayChange(): boolean {
  const network = useNetwork();
  return may(useMe().data, "operator", network);
}
