// The page's state in its address: every parameter is a plain text, so that links can be read and written by hand.
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

/** What addresses of the console may say. */
export interface Search {
  q?: string;
  sort?: string;
  hide?: string;
  tab?: string;
  range?: string;
  state?: string;
  by?: string;
  id?: string;
  gateway?: string;
  imsi?: string;
  /** A span of time that was chosen by hand, milliseconds since 1970. */
  from?: string;
  to?: string;
  next?: string;
}

const KEYS = ["q", "sort", "hide", "tab", "range", "state", "by", "id", "gateway", "imsi", "from", "to", "next"] as const;

/** Only what is known, and only texts. */
export function readSearch(given: Record<string, unknown>): Search {
  const told = KEYS.filter((key) => typeof given[key] === "string" && given[key] !== "");
  return Object.fromEntries(told.map((key) => [key, given[key]]));
}

export function parseSearch(text: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(text));
}

export function writeSearch(search: Record<string, unknown>): string {
  const told = Object.entries(search).filter((pair): pair is [string, string] => typeof pair[1] === "string" && pair[1] !== "");
  const text = new URLSearchParams(told).toString();
  return text === "" ? "" : `?${text}`;
}

/** The address's parameters, and a way to change some of them. */
export function useAddress(): [Search, (change: Search) => void] {
  const search: Search = useSearch({ strict: false });
  const navigate = useNavigate();
  const change = useCallback(
    (told: Search) => {
      const search = (former: Search) => readSearch({ ...former, ...told });
      void navigate({ to: ".", search: search as never, replace: true });
    },
    [navigate],
  );
  return [search, change];
}
