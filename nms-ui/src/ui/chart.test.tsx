import { MantineProvider } from "@mantine/core";
import { render, waitFor } from "@testing-library/react";
import type uPlot from "uplot";
import { beforeEach, expect, test, vi } from "vitest";
import { Words, loadMessages, type Language } from "@/i18n";
import { moment } from "@/lib/time";
import { Chart } from "./chart";

// Lines are drawn on a canvas, which is for Chromium: here is what they are asked to be.
const drawn = vi.hoisted(() => [] as uPlot.Options[]);
vi.mock("uplot", () => ({
  default: class {
    constructor(options: uPlot.Options) {
      drawn.push(options);
    }
    setData(): void {}
    setSize(): void {}
    destroy(): void {}
  },
}));

const AT = Date.UTC(2026, 10, 22, 12, 30) / 1000;

beforeEach(() => void drawn.splice(0));

async function asked(language: Language, data: number[][]): Promise<uPlot.Options | undefined> {
  const messages = await loadMessages(language);
  render(
    <MantineProvider>
      <Words first={{ language, messages }}>
        <Chart data={data} names={["down"]} unit={(it) => `${it} Mbit/s`} />
      </Words>
    </MantineProvider>,
  );
  await waitFor(() => expect(drawn.length).toBeGreaterThan(0));
  return drawn.at(-1);
}

/** What stands in the legend for the moment that is pointed at, then for each line. */
async function legend(language: Language, at: number | null, value: number | null): Promise<unknown[]> {
  const options = await asked(language, [[AT], [5]]);
  const said = (place: number, told: number | null) => (options?.series[place]?.value as (plot: unknown, told: number | null) => string)(null, told);
  return [said(0, at), said(1, value)];
}

test("the legend says the moment that is pointed at with its zone, and each value with its unit", async () => {
  const [when, value] = await legend("en", AT, 5);
  expect(when).toBe(moment(AT * 1000, "en"));
  expect(when).toMatch(/2026.*(UTC|GMT|[A-Z]{3,4})/);
  expect(value).toBe("5 Mbit/s");
});

test("in the language of the page", async () => {
  expect(await legend("fr", AT, 5)).toEqual([moment(AT * 1000, "fr"), "5 Mbit/s"]);
  expect(moment(AT * 1000, "fr")).not.toBe(moment(AT * 1000, "en"));
});

test("where nothing is pointed at there is no moment, and where nothing was measured no value", async () => {
  expect(await legend("en", null, null)).toEqual(["", "–"]);
});

test("a single moment is drawn within its minute, whatever the library proposes, and many from the first to the last", async () => {
  const range = async (times: number[], least: number, most: number) => {
    const x = (await asked("en", [times, times.map(() => 1)]))?.scales?.["x"]?.range as unknown as (plot: unknown, least: number, most: number) => number[];
    return x(null, least, most);
  };
  // It proposes a day of milliseconds.
  expect(await range([AT], AT, AT + 86_400_000)).toEqual([AT - 60, AT]);
  expect(await range([AT - 3600, AT], AT - 3600, AT)).toEqual([AT - 3600, AT]);
});
