import { useMemo } from "react";
import { useGatewayMetrics } from "@/api/fleet";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { DataTable, type Column } from "@/ui/data-table";
import { Empty, Fresh, Loaded } from "@/ui/page";

interface Row {
  name: string;
  value: number;
}

/** Every number that the gateway measures, as it last told. */
export function Measured({ gateway }: { gateway: string }) {
  const { t, language } = useWords();
  const metrics = useGatewayMetrics(useNetwork(), gateway);
  const columns = useMemo<Column<Row>[]>(
    () => [
      { id: "name", title: t("editor.name"), value: (row) => row.name, cell: (row) => <span className="mono">{row.name}</span> },
      { id: "value", title: t("field.value"), right: true, value: (row) => row.value, cell: (row) => row.value.toLocaleString(language) },
    ],
    [t, language],
  );
  return (
    <Loaded query={metrics}>
      {({ values, at }) => (
        <>
          <p>
            <Fresh at={at} />
          </p>
          <DataTable name={t("nav.metrics")} rows={Object.entries(values ?? {}).map(([name, value]) => ({ name, value }))} columns={columns} idOf={(row) => row.name} empty={<Empty title={t("metrics.none")} />} />
        </>
      )}
    </Loaded>
  );
}
