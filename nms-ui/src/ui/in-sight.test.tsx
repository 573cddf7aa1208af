import { act, render, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { InSight, useOutOfSight } from "./in-sight";

afterEach(() => vi.unstubAllGlobals());

test("what is out of sight is drawn when it comes near, and stays", async () => {
  const told: IntersectionObserverCallback[] = [];
  class Looking {
    constructor(tell: IntersectionObserverCallback) {
      told.push(tell);
    }
    observe(): void {}
    disconnect(): void {}
  }
  vi.stubGlobal("IntersectionObserver", Looking);
  const say = (isIntersecting: boolean) => act(() => told[0]?.([{ isIntersecting } as IntersectionObserverEntry], {} as IntersectionObserver));
  render(<InSight height={200}>below</InSight>);
  await say(false);
  await waitFor(() => expect(screen.queryByText("below")).toBeNull());
  await say(true);
  expect(await screen.findByText("below")).toBeTruthy();
});

test("a browser that cannot tell draws all", async () => {
  render(<InSight height={200}>below</InSight>);
  expect(await screen.findByText("below")).toBeTruthy();
});

test("on a narrow screen the navigation is drawn after the page", async () => {
  const drawn: boolean[] = [];
  function Navigation() {
    drawn.push(useOutOfSight());
    return null;
  }
  render(<Navigation />);
  await waitFor(() => expect(drawn).toEqual([false, true]));
});
