// The end of the gateway's log: read when it is asked for, searched here, saved as a file.
import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import { useCommands } from "@/api/fleet";
import { useMayChange, useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { download } from "@/lib/csv";
import { useAddress } from "@/lib/search";
import { Age } from "@/ui/age";
import { CopyAs } from "@/ui/copy-as";
import { Icon } from "@/ui/icon";
import { Empty, Loaded, Notice, Panel, Refusal } from "@/ui/page";
import { SearchField } from "@/ui/search-field";
import { linesOf } from "./log";

const ENDED = ["done", "failed", "not-supported", "expired", "interrupted"];
const BODY = { kind: "log-tail" as const, arguments: {} };

export function Logs({ gateway, isConnected }: { gateway: string; isConnected: boolean }) {
  const { t } = useWords();
  const network = useNetwork();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const commands = useCommands(network, gateway);
  const [{ q = "" }, setAddress] = useAddress();
  const path = { network, name: gateway };
  const reading = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/networks/{network}/gateways/{name}/commands", { params: { path }, body: BODY })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["commands", network, gateway] }),
  });
  const last = commands.data?.find((it) => it.kind === "log-tail");
  const isRunning = reading.isPending || (last !== undefined && !ENDED.includes(last.state));
  const lines = linesOf(last?.output ?? "", q);
  const read = mayChange && (
    <>
      <Button loading={isRunning} onClick={() => reading.mutate()}>
        {t("logs.read")}
      </Button>
      <CopyAs write={() => ({ method: "POST", path: `/api/v1/networks/${network}/gateways/${gateway}/commands`, body: BODY, resource: { kind: "commands", name: BODY.kind, network } })} />
    </>
  );
  return (
    <Loaded query={commands}>
      {() => (
        <Panel title={t("gateway.tab.logs")} aside={last && <span className="soft">{t("logs.lines", { count: lines.length })}, <Age at={last.changed_at ?? last.created_at} /></span>}>
          <div className="stack">
            {reading.error && <Refusal error={reading.error} />}
            {!isConnected && <Notice tone="info">{t("commands.later")}</Notice>}
            {last ? (
              <>
                <div className="row">
                  {read}
                  <SearchField label={t("logs.only")} kept={q} keep={(q) => setAddress({ q })} />
                  <Button variant="default" leftSection={<Icon name="download" size={14} />} onClick={() => download(`${gateway}.log`, lines.map((it) => it.text).join("\n"), "text/plain;charset=utf-8")}>
                    {t("logs.save")}
                  </Button>
                </div>
                {/* What scrolls is reachable by keyboard (WCAG 2.1.1). */}
                {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
                <pre className="block log" tabIndex={0} role="region" aria-label={t("gateway.tab.logs")}>
                  {lines.map((it, at) => (
                    <span key={at} className={it.level}>
                      {it.text}
                      {"\n"}
                    </span>
                  ))}
                  {lines.length === 0 && (isRunning ? "…" : t("table.nothing"))}
                </pre>
              </>
            ) : (
              <Empty title={t("logs.none")} action={<div className="row">{read}</div>}>
                {t("logs.noneWords")}
              </Empty>
            )}
          </div>
        </Panel>
      )}
    </Loaded>
  );
}
