import { QueryClient } from "@tanstack/react-query";
import { expect, test } from "vitest";
import { readSearch, writeSearch, parseSearch } from "@/lib/search";
import { PAGES as LOOKED_AT } from "../../e2e/pages.mjs";
import { PAGES } from "./pages";
import { makeRouter } from "./router";

test("the addresses of pages stay", () => {
  expect(Object.keys(makeRouter(new QueryClient()).routesByPath).sort()).toMatchSnapshot();
});

test("each entry of the navigation has its page", () => {
  const known = Object.keys(makeRouter(new QueryClient()).routesByPath);
  for (const page of PAGES) expect(known).toContain(page.path === "" ? "/n/$network" : `/n/$network/${page.path}`);
});

/** Those before there is somebody, or a network: axe and the pictures have them by themselves. */
const DOORS = ["/", "/login", "/setup"];

test("each page is looked at by axe, and stands in the pictures", () => {
  const shown = LOOKED_AT.map(([, path]) => `/n/demo/${path}`.replace(/\/?(\?.*)?$/, ""));
  const known = Object.keys(makeRouter(new QueryClient()).routesByPath).filter((it) => !DOORS.includes(it));
  const missing = known.filter((it) => !shown.some((path) => new RegExp(`^${it.replaceAll(/\$\w+/g, "[^/]+")}$`).test(path)));
  expect(missing).toEqual([]);
});

test("an address keeps a page's state as plain text", () => {
  const state = { q: "001010000000001", sort: "-seen", state: "silent" };
  expect(writeSearch(state)).toBe("?q=001010000000001&sort=-seen&state=silent");
  expect(readSearch(parseSearch(writeSearch(state)))).toEqual(state);
  expect(readSearch({ q: 5, evil: "x", sort: "" })).toEqual({});
});
