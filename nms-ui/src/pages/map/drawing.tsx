// The network as it hangs together: the orchestrator, its gateways, and the base stations of each, with how many phones are there.
import { useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import type { GatewayRow } from "@/lib/fleet";
import { useAge } from "@/ui/age";

/** From one gateway to the next; side by side, and on a phone one below the other. */
const ROW = 56;
const TALL_ROW = 80;
/** Letters that a box has room for. */
const TITLE = 28;
const NAMES = 34;

export function Drawing({ rows }: { rows: GatewayRow[] }) {
  const isNarrow = typeof matchMedia === "function" && matchMedia("(max-width: 640px)").matches;
  return isNarrow ? <Tall rows={rows} /> : <Wide rows={rows} />;
}

/** From left to right. */
function Wide({ rows }: { rows: GatewayRow[] }) {
  const { t } = useWords();
  const height = Math.max(rows.length * ROW + 16, 120);
  const middle = height / 2;
  return (
    <svg className="topology" viewBox={`0 0 900 ${height}`} role="group" aria-label={t("nav.map")}>
      <rect className="box" x={8} y={middle - 24} width={140} height={48} rx={8} />
      <text x={78} y={middle - 2} textAnchor="middle">
        {t("map.orchestrator")}
      </text>
      <text className="sub" x={78} y={middle + 14} textAnchor="middle">
        {t("map.gateways", { count: rows.length })}
      </text>
      {rows.map((row, at) => (
        <Branch key={row.name} row={row} from={middle} y={8 + at * ROW + ROW / 2} />
      ))}
    </svg>
  );
}

/** From the top down, as wide as a phone. */
function Tall({ rows }: { rows: GatewayRow[] }) {
  const { t } = useWords();
  const yOf = (at: number) => 68 + at * TALL_ROW;
  return (
    <svg className="topology" viewBox={`0 0 340 ${yOf(rows.length)}`} role="group" aria-label={t("nav.map")}>
      <path className="link" d={`M28 50 V ${yOf(rows.length - 1) + 33}`} />
      <rect className="box" x={4} y={4} width={200} height={46} rx={8} />
      <text x={18} y={24}>
        {t("map.orchestrator")}
      </text>
      <text className="sub" x={18} y={40}>
        {t("map.gateways", { count: rows.length })}
      </text>
      {rows.map((row, at) => (
        <Twig key={row.name} row={row} y={yOf(at)} />
      ))}
    </svg>
  );
}

/** What is said of a gateway, and the way to its page. */
function useSite(row: GatewayRow) {
  const { t } = useWords();
  const stations = row.state?.state?.enbs ?? [];
  const isUp = row.health !== "silent" && row.health !== "never";
  const names = stations.slice(0, 2).map((it) => it.name || it.id).join(", ");
  const seen = row.state?.seen_at ?? undefined;
  return {
    line: `link ${isUp ? "good" : "bad"}`,
    title: (row.title || row.name).slice(0, TITLE),
    said: `${t(`health.${row.health}`)} · ${t("map.phones", { count: row.state?.state?.registered_ues ?? 0 })}`,
    stations: stations.length === 0 ? null : { names: names.slice(0, NAMES), count: t("map.stations", { count: stations.length }) },
    seen,
    age: useAge(seen),
  };
}

function Site({ name, children }: { name: string; children: ReactNode }) {
  const network = useNetwork();
  const navigate = useNavigate();
  const open = () => void navigate({ to: "/n/$network/gateways/$name", params: { network, name } });
  return (
    <g role="link" tabIndex={0} style={{ cursor: "pointer" }} onClick={open} onKeyDown={(event) => event.key === "Enter" && open()}>
      {children}
    </g>
  );
}

function Branch({ row, from, y }: { row: GatewayRow; from: number; y: number }) {
  const { line, title, said, stations, seen, age } = useSite(row);
  return (
    <>
      <path className={line} d={`M148 ${from} C 220 ${from}, 230 ${y}, 300 ${y}`} />
      <text className="age" x={294} y={y - 6} textAnchor="end" data-moment={seen}>
        {age}
      </text>
      <Site name={row.name}>
        <rect className="box" x={300} y={y - 21} width={230} height={42} rx={8} />
        <text x={314} y={y - 3}>
          {title}
        </text>
        <text className="sub" x={314} y={y + 13}>
          {said}
        </text>
      </Site>
      {stations && (
        <>
          <path className={line} d={`M530 ${y} H 620`} />
          <rect className="box" x={620} y={y - 21} width={270} height={42} rx={8} />
          <text x={634} y={y - 3}>
            {stations.names}
          </text>
          <text className="sub" x={634} y={y + 13}>
            {stations.count}
          </text>
        </>
      )}
    </>
  );
}

function Twig({ row, y }: { row: GatewayRow; y: number }) {
  const { line, title, said, stations, seen, age } = useSite(row);
  return (
    <>
      <path className={line} d={`M28 ${y + 33} H 52`} />
      <Site name={row.name}>
        <rect className="box" x={52} y={y} width={284} height={66} rx={8} />
        <text x={66} y={y + 20}>
          {title}
        </text>
        <text className="age" x={324} y={y + 20} textAnchor="end" data-moment={seen}>
          {age}
        </text>
        <text className="sub" x={66} y={y + 37}>
          {said}
        </text>
        {stations && (
          <text className="sub" x={66} y={y + 54}>
            {stations.count}: {stations.names}
          </text>
        )}
      </Site>
    </>
  );
}
