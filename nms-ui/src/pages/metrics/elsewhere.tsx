import { collectionPath } from "@/api/objects";
import { useMe } from "@/api/session";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { CopyLine } from "@/ui/copy-line";
import { Panel } from "@/ui/page";

/** Where Grafana and Prometheus find the same numbers. */
export function Elsewhere() {
  const { t } = useWords();
  const network = useNetwork();
  const grafana = useMe().data?.grafana;
  const base = `${location.origin}${collectionPath(network, "")}`;
  const scrape = [
    "scrape_configs:",
    `  - job_name: basalt-${network}`,
    `    scheme: ${location.protocol.slice(0, -1)}`,
    `    metrics_path: ${collectionPath(network, "metrics")}`,
    "    authorization: {credentials_file: /etc/prometheus/basalt.key}",
    `    static_configs: [{targets: ["${location.host}"]}]`,
  ].join("\n");
  const source = JSON.stringify({ name: `Basalt ${network}`, type: "prometheus", access: "proxy", url: `${base}prometheus`, jsonData: { httpHeaderName1: "Authorization" }, secureJsonData: { httpHeaderValue1: "Bearer …" } }, null, 2);
  return (
    <div className="grid charts">
      <Panel title="Prometheus">
        <p className="soft">{t("metrics.scrapeWords")}</p>
        <CopyLine text={scrape} label="Prometheus" />
      </Panel>
      <Panel title="Grafana" aside={grafana ? <a href={grafana} target="_blank" rel="noreferrer">{t("metrics.openGrafana")}</a> : undefined}>
        <p className="soft">{t("metrics.grafanaWords")}</p>
        <CopyLine text={source} label="Grafana" />
        <p className="soft">{t("metrics.dashboards")}</p>
        <CopyLine text="deploy/grafana/basalt-network.json" label="basalt-network.json" />
      </Panel>
    </div>
  );
}
