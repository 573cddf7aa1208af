// Lines over time by uPlot; zoom by dragging, one cursor for charts of a page.
import { useMantineColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

interface Props {
  /** Seconds since 1970, then a line for each name. */
  data: (number | null)[][];
  names: string[];
  unit: (value: number) => string;
  height?: number;
  /** Charts with the same one share their cursor. */
  group?: string;
  label?: string;
}

const COLOURS = ["--b-chart-1", "--b-chart-2", "--b-chart-3", "--b-chart-4"];

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options(props: Props, width: number): uPlot.Options {
  const axis = { stroke: token("--b-ink-soft"), grid: { stroke: token("--b-line"), width: 1 }, ticks: { show: false }, font: "11px sans-serif" };
  return {
    width,
    height: props.height ?? 200,
    cursor: { drag: { x: true, y: false }, ...(props.group ? { sync: { key: props.group } } : {}) },
    // A single moment is drawn within its minute, not within years.
    scales: { x: { time: true, range: (_, least, most) => (most - least < 60 ? [most - 60, most] : [least, most]) }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
    axes: [{ ...axis, space: 64 }, { ...axis, size: 72, values: (_, ticks) => ticks.map((it) => props.unit(it)) }],
    series: [
      {},
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
  const names = props.names.join("\n");
  const latest = useRef(props);
  useEffect(() => {
    latest.current = props;
    chart.current?.setData(props.data as uPlot.AlignedData);
  });
  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const made = new uPlot(options(latest.current, box.clientWidth || 400), latest.current.data as uPlot.AlignedData, box);
    chart.current = made;
    const watching = new ResizeObserver(() => made.setSize({ width: box.clientWidth, height: latest.current.height ?? 200 }));
    watching.observe(box);
    return () => {
      watching.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [names, colorScheme, props.group]);
  return <div className="chart" ref={place} role="img" aria-label={props.label ?? props.names.join(", ")} />;
}
