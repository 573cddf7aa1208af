// A table of configured objects of one kind: add, open in the editor, everything in the address.
import { Button } from "@mantine/core";
import { useMemo, type ReactNode } from "react";
import { collectionPath, useGlobals, useObjects, type AnyObject, type Collection } from "@/api/objects";
import { useMayChange, useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { Age } from "./age";
import { DataTable, type Column } from "./data-table";
import { Editor, type ObjectForm } from "./editor";
import { Icon } from "./icon";
import { Empty, Loaded } from "./page";

interface Props {
  name: string;
  form: ObjectForm;
  columns: Column<AnyObject>[];
  none: string;
  noneWords?: string;
  aside?: ReactNode;
  isFurther?: boolean;
  height?: string;
}

export const field = (row: AnyObject, ...path: string[]): unknown =>
  path.reduce<unknown>((value, key) => (typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined), row.body);

/** A value in few words: lists as people write them. */
function said(value: unknown): string {
  if (value === undefined || value === null) return "";
  return Array.isArray(value) && value.every((it) => typeof it !== "object") ? value.join(", ") : JSON.stringify(value);
}

/** A column of a field that is a text or a number. */
export function plain(id: string, title: string, ...path: string[]): Column<AnyObject> {
  return {
    id,
    title,
    value: (row) => {
      const value = field(row, ...path);
      return typeof value === "string" || typeof value === "number" ? value : said(value);
    },
  };
}

const NEW = "+";

export function ObjectTable(props: Props) {
  return props.form.network === null ? <Global {...props} /> : <OfNetwork {...props} />;
}

function Global(props: Props) {
  return <Loaded query={useGlobals(props.form.collection)}>{(rows) => <Table {...props} rows={rows} />}</Loaded>;
}

function OfNetwork(props: Props) {
  const query = useObjects(useNetwork(), props.form.collection as Collection);
  return <Loaded query={query}>{(rows) => <Table {...props} rows={rows as AnyObject[]} />}</Loaded>;
}

function Table({ name, form, columns, none, noneWords, aside, rows, isFurther, height }: Props & { rows: AnyObject[] }) {
  const { t } = useWords();
  const mayChange = useMayChange();
  const [{ id }, setAddress] = useAddress();
  const all = useMemo<Column<AnyObject>[]>(
    () => [
      {
        id: "name",
        title: t("editor.name"),
        value: (row) => row.name,
        cell: (row) => (
          <button type="button" className="linkish" onClick={() => setAddress({ id: row.name })}>
            {row.name}
          </button>
        ),
      },
      ...columns,
      { id: "changed", title: t("field.changed"), value: (row) => row.changed_at, cell: (row) => <Age at={row.changed_at} /> },
      { id: "who", title: t("field.changedBy"), extra: true, value: (row) => row.changed_by },
    ],
    [columns, t, setAddress],
  );
  const add = mayChange && (
    <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setAddress({ id: NEW })}>
      {t("action.add")}
    </Button>
  );
  return (
    <>
      <DataTable
        name={name}
        isFurther={isFurther ?? false}
        {...(height ? { height } : {})}
        exported={collectionPath(form.network, form.collection)}
        rows={rows}
        columns={all}
        idOf={(row) => row.name}
        filters={
          <>
            {add}
            {aside}
          </>
        }
        empty={
          <Empty title={none} action={add}>
            {noneWords}
          </Empty>
        }
      />
      {id && <Editor form={form} name={id === NEW ? null : id} onClose={() => setAddress({ id: "" })} />}
    </>
  );
}
