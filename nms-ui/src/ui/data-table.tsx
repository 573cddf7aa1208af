// The one table: search, order, hidden columns and their state in the address, CSV, keyboard, and only the rows in sight drawn.
import { Button } from "@mantine/core";
import { columnVisibilityFeature, tableFeatures, useTable, type ColumnDef } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useCallback, useDeferredValue, useMemo, useRef, useState, type CSSProperties, type KeyboardEvent, type ReactNode, type RefObject } from "react";
import { useWords } from "@/i18n";
import { download, toCsv } from "@/lib/csv";
import { useAddress, type Search } from "@/lib/search";
import { useArranged } from "./arranged";
import { Icon } from "./icon";
import { MenuButton } from "./menu-button";
import { Empty } from "./page";
import { SearchField } from "./search-field";

/** A column: its value is what is sorted, searched and exported, its cell what is drawn. */
export interface Column<T> {
  id: string;
  title: string;
  value: (row: T) => string | number | null | undefined;
  cell?: (row: T) => ReactNode;
  right?: boolean;
  /** Not shown unless asked for. */
  extra?: boolean;
}

interface Props<T> {
  name: string;
  rows: readonly T[];
  columns: Column<T>[];
  idOf: (row: T) => string;
  /** What is shown where there are no rows at all. */
  empty: ReactNode;
  /** Further filters, left of the count. */
  filters?: ReactNode;
  filter?: ((row: T) => boolean) | undefined;
  /** The orchestrator gave only what filters let through: that there is none is said below them, and they stay. */
  isNarrowed?: boolean;
  height?: string;
  /** The order while nothing tells one. */
  sort?: string;
  /** Where the orchestrator gives all of them at once, as CSV and as JSON lines. */
  exported?: string | undefined;
  /** A further table of its page: under its name, with its state in itself instead of the address. */
  isFurther?: boolean;
}

type View = [Search, (change: Search) => void];

/** Search, order and hidden columns: in the address, or of a further table in itself. */
function useView(isFurther: boolean | undefined): View {
  const inAddress = useAddress();
  const [own, setOwn] = useState<Search>({});
  const change = useCallback((told: Search) => setOwn((former) => ({ ...former, ...told })), []);
  return isFurther ? [own, change] : inAddress;
}

// The library keeps the columns; rows in sight are drawn here, each by itself.
const NO_ROWS: object[] = [];
const features = tableFeatures({ columnVisibilityFeature });
const ROW = 36;
const TALL = 44;

export function DataTable<T>(props: Props<T>) {
  const { t } = useWords();
  const view = useView(props.isFurther);
  const [address, setAddress] = view;
  const wanted = useDeferredValue(address.q ?? "");
  const sort = address.sort ?? props.sort;
  const arranged = useArranged(props.rows, props.columns, wanted, sort, props.filter);
  const box = useRef<HTMLDivElement>(null);
  if (props.rows.length === 0 && !props.isNarrowed) return <section className="panel">{props.empty}</section>;
  const save = () => {
    const head = props.columns.map((column) => column.title);
    const rows = arranged.map((row) => props.columns.map((column) => String(column.value(row) ?? "")));
    download(`${props.name.toLowerCase().replaceAll(" ", "-")}.csv`, toCsv([head, ...rows]));
  };
  return (
    <section className="panel dt" aria-label={t("table.region", { name: props.name })} style={{ "--dt-height": props.height } as CSSProperties}>
      {props.isFurther && (
        <header>
          <h2>{props.name}</h2>
        </header>
      )}
      <div className="dt-bar">
        <SearchField className="dt-search" label={t("table.search")} kept={address.q ?? ""} keep={(q) => setAddress({ q })} isFurther={props.isFurther} />
        {props.filters}
        <span className="dt-count" role="status">
          {arranged.length === props.rows.length
            ? t("table.rows", { count: arranged.length })
            : t("table.of", { count: arranged.length, all: props.rows.length.toLocaleString() })}
        </span>
        <Columns columns={props.columns} view={view} />
        <Export exported={props.exported} save={save} />
      </div>
      {/* A region that scrolls is reachable by keyboard (WCAG 2.1.1). */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="dt-scroll" ref={box} tabIndex={0} role="group" aria-label={props.name}>
        <Rows {...props} rows={arranged} box={box} sort={sort} view={view} />
        {arranged.length === 0 && (
          <Empty
            title={t("table.nothing")}
            action={
              <Button variant="light" onClick={() => setAddress({ q: "", state: "", by: "", gateway: "", imsi: "" })}>
                {t("table.clear")}
              </Button>
            }
          />
        )}
      </div>
    </section>
  );
}

/** The rows that are shown; and everything, where the orchestrator gives it. */
function Export({ exported, save }: { exported: string | undefined; save: () => void }) {
  const { t } = useWords();
  const label = <span className="dt-label">{t("table.csv")}</span>;
  if (!exported) {
    return (
      <Button variant="default" leftSection={<Icon name="download" size={14} />} aria-label={t("table.csv")} data-hint={t("table.csvHint")} onClick={save}>
        {label}
      </Button>
    );
  }
  const entries = () => [
    { id: "shown", label: t("table.csvHint"), act: save },
    { id: "csv", label: t("table.allCsv"), href: `${exported}?format=csv` },
    { id: "ndjson", label: t("table.allLines"), href: `${exported}?format=ndjson` },
  ];
  return <MenuButton icon="download" label={label} name={t("table.csv")} position="bottom-end" entries={entries} />;
}

function hiddenOf(columns: Column<never>[], told: string | undefined): Set<string> {
  if (told === undefined) return new Set(columns.filter((column) => column.extra).map((column) => column.id));
  return new Set(told.split(","));
}

function Columns<T>({ columns, view: [address, setAddress] }: { columns: Column<T>[]; view: View }) {
  const { t } = useWords();
  const hidden = hiddenOf(columns as Column<never>[], address.hide);
  const turn = (id: string) => {
    const after = new Set(hidden);
    if (!after.delete(id)) after.add(id);
    // A single comma says that nothing is hidden, which an absent parameter does not.
    setAddress({ hide: [...after].join(",") || "," });
  };
  const entries = () => columns.map((column) => ({ id: column.id, label: column.title, isChosen: !hidden.has(column.id), act: () => turn(column.id) }));
  return <MenuButton icon="columns" label={<span className="dt-label">{t("table.columns")}</span>} name={t("table.columns")} position="bottom-end" entries={entries} />;
}

function useRowHeight(): number {
  return typeof matchMedia === "function" && matchMedia("(max-width: 640px)").matches ? TALL : ROW;
}

function Rows<T>(props: Props<T> & { box: RefObject<HTMLDivElement | null>; sort: string | undefined; view: View }) {
  const { rows, columns, idOf, box } = props;
  const [address, setAddress] = props.view;
  const height = useRowHeight();
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => height,
    overscan: 4,
    initialRect: { width: 800, height: 800 },
  });
  const inSight = virtual.getVirtualItems();
  const first = inSight[0]?.index ?? 0;
  const last = inSight.at(-1)?.index ?? -1;
  const defined = useMemo(() => columns.map((column): ColumnDef<typeof features, object> => ({ id: column.id, header: column.title })), [columns]);
  const columnVisibility = useMemo(() => {
    const hidden = hiddenOf(columns as Column<never>[], address.hide);
    return Object.fromEntries(columns.map((column) => [column.id, !hidden.has(column.id)]));
  }, [columns, address.hide]);
  const table = useTable({ features, columns: defined, data: NO_ROWS, state: { columnVisibility } });
  const isRight = new Set(columns.filter((column) => column.right).map((column) => column.id));
  const visible = useMemo(() => columns.filter((column) => columnVisibility[column.id]), [columns, columnVisibility]);
  return (
    <table aria-rowcount={rows.length + 1} aria-label={props.name}>
      <thead>
        <tr aria-rowindex={1}>
          {table.getVisibleLeafColumns().map((column) => (
            <SortHeader key={column.id} id={column.id} title={String(column.columnDef.header)} right={isRight.has(column.id)} sort={props.sort} change={setAddress} />
          ))}
        </tr>
      </thead>
      {/* Keys that the links within do not use go from row to row. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <tbody onKeyDown={walk}>
        <Pad height={first * height} />
        {rows.slice(first, last + 1).map((row, at) => (
          <Row key={idOf(row)} of={row} columns={visible} index={first + at + 2} />
        ))}
        <Pad height={(rows.length - 1 - last) * height} />
      </tbody>
    </table>
  );
}

interface RowProps<T> {
  of: T;
  columns: Column<T>[];
  index: number;
}

/** A row: drawn again only when it is another, for rows are replaced, not changed. */
const Row = memo(function Row<T>({ of, columns, index }: RowProps<T>) {
  return (
    <tr aria-rowindex={index} data-row="">
      {columns.map((column) => (
        <td key={column.id} data-right={column.right || undefined}>
          {column.cell ? column.cell(of) : (column.value(of) ?? "–")}
        </td>
      ))}
    </tr>
  );
}) as <T>(props: RowProps<T>) => ReactNode;

/** The room of rows that are not drawn. */
function Pad({ height }: { height: number }) {
  if (height <= 0) return null;
  return (
    <tr className="pad" aria-hidden="true">
      <td style={{ height }} />
    </tr>
  );
}

interface SortProps {
  id: string;
  title: string;
  right: boolean;
  sort: string | undefined;
  change: (change: Search) => void;
}

const SortHeader = memo(function SortHeader({ id, title, right, sort, change }: SortProps) {
  const { t } = useWords();
  const [column, down] = sort?.startsWith("-") ? [sort.slice(1), true] : [sort, false];
  const chosen = column === id;
  const turn = () => change({ sort: chosen && !down ? `-${id}` : id });
  return (
    <th scope="col" data-right={right || undefined} aria-sort={chosen ? (down ? "descending" : "ascending") : "none"}>
      <button type="button" onClick={turn} title={t("table.sortBy", { column: title })}>
        {title}
        {chosen && <Icon name={down ? "down" : "up"} size={12} />}
      </button>
    </th>
  );
});

/** Arrow keys, or j and k, go from row to row. */
function walk(event: KeyboardEvent<HTMLTableSectionElement>): void {
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  const target = event.target as HTMLElement;
  if (!step || target.tagName === "INPUT") return;
  const rows = [...event.currentTarget.querySelectorAll<HTMLElement>("tr[data-row]")];
  const at = rows.findIndex((row) => row.contains(target));
  const next = rows[at + step]?.querySelector<HTMLElement>("a, button");
  if (!next) return;
  event.preventDefault();
  next.focus();
}
