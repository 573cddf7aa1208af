// Small drawings of the console's own: strokes on a grid of 16, coloured as the text is.

const PATHS = {
  overview: "M2 9h4V2H2zM10 14h4V7h-4zM10 4h4V2h-4zM2 14h4v-2H2z",
  check: "M3 8.5 6.5 12 13 4.5",
  gateway: "M2 10h12v4H2zM5 12h.01M8 12h3M8 10V7M5 4.5a4.2 4.2 0 0 1 6 0M3 2.5a7 7 0 0 1 10 0",
  station: "M8 7v7M5 14h6M8 6.5h.01M5.2 9.3a4 4 0 0 1 0-5.6M10.8 3.7a4 4 0 0 1 0 5.6M3.3 11.2a6.7 6.7 0 0 1 0-9.4M12.7 1.8a6.7 6.7 0 0 1 0 9.4",
  map: "M2 4l4-2 4 2 4-2v10l-4 2-4-2-4 2zM6 2v10M10 4v10",
  person: "M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 14a5.5 5.5 0 0 1 11 0",
  session: "M1 8h3l2-5 3 10 2-5h4",
  policy: "M3 4h10M3 8h10M3 12h6M12 12h.01",
  network: "M8 2v4M8 6H3v4M8 6h5v4M2 10h3v3H2zM11 10h3v3h-3z",
  usage: "M2 14h12M4 14V9M8 14V3M12 14V6",
  alarm: "M8 2a4 4 0 0 1 4 4v3l1.5 2.5h-11L4 9V6a4 4 0 0 1 4-4zM6.5 14h3",
  metrics: "M2 2v12h12M4.5 10.5 7 7l2.5 2L13 4",
  trace: "M4 2v12M12 2v12M4 5h8M12 5 10 3.5M12 5l-2 1.5M12 10H4M4 10l2-1.5M4 10l2 1.5",
  events: "M8 4v4l3 2M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12z",
  federation: "M4 6a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM12 14a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM5.5 5.5l5 5M4 6v4a2 2 0 0 0 2 2h4",
  history: "M2 8a6 6 0 1 0 2-4.5M2 2v3h3M8 5v3l2 2",
  audit: "M4 2h6l3 3v9H4zM10 2v3h3M6.5 8h4M6.5 11h4",
  access: "M5.5 9a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM8 8l6 6M11.5 11.5 13 10",
  backup: "M2 3h12v4H2zM2 9h12v4H2zM4.5 5h.01M4.5 11h.01",
  code: "M5 4 1.5 8 5 12M11 4l3.5 4-3.5 4M9 3 7 13",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.5 10.5 14 14",
  plus: "M8 3v10M3 8h10",
  down: "M4 6l4 4 4-4",
  up: "M4 10l4-4 4 4",
  right: "M6 4l4 4-4 4",
  copy: "M5 5V2h9v9h-3M2 5h9v9H2z",
  warn: "M8 2 1.5 13.5h13zM8 6.5v3M8 11.7h.01",
  bad: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM6 6l4 4M10 6l-4 4",
  dot: "M8 10.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  columns: "M2 3h12v10H2zM6.5 3v10M10.5 3v10",
  download: "M8 2v8M5 7l3 3 3-3M2.5 13.5h11",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  close: "M4 4l8 8M12 4l-8 8",
  pause: "M5.5 3v10M10.5 3v10",
  play: "M5 3l8 5-8 5z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      aria-hidden="true"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.5}
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
