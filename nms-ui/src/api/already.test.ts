import { afterEach, expect, test, vi } from "vitest";
import { already, dropAll, taken } from "./already";

afterEach(() => {
  vi.useRealTimers();
  dropAll();
});

test("an answer is given once, to who asks the same", async () => {
  already("/api/v1/things?limit=1", Promise.resolve(new Response("1")));
  expect(taken("GET", "/api/v1/things")).toBeUndefined();
  expect(taken("DELETE", "/api/v1/things?limit=1")).toBeUndefined();
  expect(await (await taken("GET", "/api/v1/things?limit=1"))?.text()).toBe("1");
  expect(taken("GET", "/api/v1/things?limit=1")).toBeUndefined();
});

test("an old answer is none, and none is left of a session that ended", () => {
  vi.useFakeTimers();
  already("/a", Promise.resolve(new Response()));
  vi.advanceTimersByTime(10_001);
  expect(taken("GET", "/a")).toBeUndefined();
  already("/a", Promise.resolve(new Response()));
  dropAll();
  expect(taken("GET", "/a")).toBeUndefined();
});
