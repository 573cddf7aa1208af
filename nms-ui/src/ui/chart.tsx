// Lines over time by uPlot; zoom by dragging, one cursor for charts of a page.
import { useMantineColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useWords } from "@/i18n";
import { moment } from "@/lib/time";
import { ticks } from "@/lib/ticks";

interface Props {
  /** Seconds since 1970, then a line for each name. */
  data: (number | null)[][];
  names: string[];
  unit: (value: number) => string;
  height?: number;
  /** Charts with the same one share their cursor. */
  group?: string;
  label?: string;
  /** Shares, up to 1: the axis shows the part of 0 to 1 where they are. */
  isShare?: boolean;
  /** The time that is shown, seconds since 1970; what the data cover, when absent. */
  span?: [number, number];
  /** A span was chosen by dragging; without it, this chart alone is enlarged. */
  onZoom?: (from: number, to: number) => void;
}

const COLOURS = ["--b-chart-1", "--b-chart-2", "--b-chart-3", "--b-chart-4"];

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Where an axis of shares begins: near 1 differences would not be seen from 0 on. */
function shareFrom(least: number): number {
  return [0.9, 0.5].find((it) => least >= it) ?? 0;
}

/** Seconds that a single moment is drawn within. */
const MINUTE = 60;

/** The time that is drawn of what was measured: `least` and `most` are what the library proposes, which for a single moment are years. */
function spanOf(times: readonly (number | null)[], least: number, most: number): [number, number] {
  const end = times.length === 1 ? (times[0] ?? most) : most;
  return times.length === 1 || end - least < MINUTE ? [end - MINUTE, end] : [least, end];
}

type Latest = { readonly current: Props };

function options(latest: Latest, width: number, language: string): uPlot.Options {
  const props = latest.current;
  const axis = { stroke: token("--b-ink-soft"), grid: { stroke: token("--b-line"), width: 1 }, ticks: { show: false }, font: "11px sans-serif" };
  return {
    width,
    height: props.height ?? 200,
    cursor: { drag: { x: true, y: false, setScale: !props.onZoom }, ...(props.group ? { sync: { key: props.group } } : {}) },
    scales: {
      x: { time: true, range: (_, least, most) => latest.current.span ?? spanOf(latest.current.data[0] ?? [], least, most) },
      y: { range: (_, least, most) => (props.isShare ? [shareFrom(least ?? 0), 1] : [0, most > 0 ? most * 1.1 : 1]) },
    },
    hooks: {
      setSelect: [
        (chart) => {
          const { left, width } = chart.select;
          if (!latest.current.onZoom || width < 8) return;
          const [from, to] = [chart.posToVal(left, "x"), chart.posToVal(left + width, "x")];
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          latest.current.onZoom(from, to);
        },
      ],
    },
    axes: [
      { ...axis, space: 64, values: (_, at, __, ___, step) => ticks(at, step, language) },
      { ...axis, size: 72, values: (_, all) => all.map((it) => props.unit(it)) },
    ],
    series: [
      // The moment that is pointed at, with its zone.
      { label: "", value: (_: uPlot, at: number | null) => (at === null || at === undefined ? "" : moment(at * 1000, language)) },
      ...props.names.map((label, index) => ({
        label,
        stroke: token(COLOURS[index % COLOURS.length] ?? "--b-chart-1"),
        width: 1.6,
        points: { show: (props.data[0]?.length ?? 0) < 3 },
        value: (_: uPlot, value: number | null) => (value === null || value === undefined ? "–" : props.unit(value)),
      })),
    ],
  };
}

export function Chart(props: Props) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const { colorScheme } = useMantineColorScheme();
  const { language } = useWords();
  const names = props.names.join("\n");
  const latest = useRef(props);
  useEffect(() => {
    latest.current = props;
  });
  useEffect(() => chart.current?.setData(props.data as uPlot.AlignedData), [props.data]);
  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const made = new uPlot(options(latest, box.clientWidth || 400, language), latest.current.data as uPlot.AlignedData, box);
    chart.current = made;
    // It is told its size at once, too, which it has already.
    const watching = new ResizeObserver(() => box.clientWidth !== made.width && made.setSize({ width: box.clientWidth, height: latest.current.height ?? 200 }));
    watching.observe(box);
    return () => {
      watching.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [names, colorScheme, language, props.group]);
  return <div className="chart" ref={place} role="img" aria-label={props.label ?? props.names.join(", ")} />;
}
