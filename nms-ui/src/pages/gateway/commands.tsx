import { Button, Select, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import type { Command } from "@/api/answers";
import { api, unwrap } from "@/api/client";
import { useCommands } from "@/api/fleet";
import { useReleases } from "@/api/upgrades";
import type { Schemas } from "@/api/objects";
import { useMayChange, useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { ofNetwork, quoted } from "@/lib/write";
import { Age } from "@/ui/age";
import { Confirm } from "@/ui/confirm";
import { CopyAs } from "@/ui/copy-as";
import { Empty, Loaded, Notice, Panel, Refusal } from "@/ui/page";
import { Status, type Tone } from "@/ui/status";

/** What can be asked: kinds of commands, and the end of a drain, which is a drain with another argument. */
type Kind = Schemas["CommandKind"] | "drain-end";

const KINDS: Kind[] = ["show-tables", "ping", "traceroute", "log-tail", "packet-capture", "restart", "drain", "drain-end", "upgrade"];
/** These touch what the gateway does for phones, and are asked about. */
const GRAVE: Kind[] = ["restart", "drain", "upgrade"];
/** What is said before each of them is done. */
const BLAST = { restart: "commands.restartBlast", drain: "commands.drainBlast" } as const;
/** Of releases: none, but what ran before. */
const BACK = "<back>";
const WITH_HOST: Kind[] = ["ping", "traceroute"];

const TONES: Record<Command["state"], Tone> = {
  queued: "quiet",
  sent: "info",
  running: "info",
  done: "good",
  failed: "bad",
  "not-supported": "warn",
  expired: "warn",
  interrupted: "warn",
};

/** How a command is named that was asked for. */
function kindOf({ kind, arguments: told }: Command): Kind {
  return kind === "drain" && (told as { off?: boolean } | null)?.off === true ? "drain-end" : kind;
}

export function Commands({ gateway, isConnected, phones }: { gateway: string; isConnected: boolean; phones: number }) {
  const { t } = useWords();
  const network = useNetwork();
  const mayChange = useMayChange();
  const client = useQueryClient();
  const [kind, setKind] = useState<Kind>("show-tables");
  const [host, setHost] = useState("");
  const [isAsked, setAsked] = useState(false);
  const [release, setRelease] = useState<string | null>(null);
  const releases = (useReleases().data ?? []).filter((it) => it.complete);
  const further = kind === "upgrade" ? (release === BACK ? { back: true } : { release }) : WITH_HOST.includes(kind) ? { host } : kind === "drain-end" ? { off: true } : {};
  const body = { kind: kind === "drain-end" ? ("drain" as const) : kind, arguments: further };
  const path = { network, name: gateway };
  const running = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/networks/{network}/gateways/{name}/commands", { params: { path }, body })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["commands", network, gateway] }),
  });
  const command = kind === "upgrade" ? { basalt: `basalt upgrade gateway ${quoted(gateway)} ${release === BACK ? "--back" : `--release ${quoted(release ?? "")}`}${ofNetwork(network)}` } : {};
  const write = () => ({ method: "POST", path: `/api/v1/networks/${network}/gateways/${gateway}/commands`, body, ...command, resource: { kind: "commands", name: body.kind, network } });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (GRAVE.includes(kind)) setAsked(true);
    else running.mutate();
  };
  return (
    <div className="stack">
      {mayChange && (
        <Panel title={t("commands.ask")}>
          <form className="row" style={{ alignItems: "flex-end" }} onSubmit={submit}>
            <Select label={t("commands.kind")} allowDeselect={false} data={KINDS.map((it) => ({ value: it, label: t(`commands.${it}`) }))} value={kind} onChange={(it) => it && setKind(it as Kind)} />
            {WITH_HOST.includes(kind) && <TextInput label={t("commands.host")} required value={host} placeholder="10.0.0.1" onChange={(event) => setHost(event.currentTarget.value)} />}
            {kind === "upgrade" && (
              <Select label={t("upgrades.release")} required w={280} maw="100%" searchable nothingFoundMessage={t("upgrades.noReleases")} data={[...releases.map((it) => ({ value: it.name, label: it.name })), { value: BACK, label: t("upgrades.back") }]} value={release} onChange={setRelease} />
            )}
            <Button type="submit" size="sm" disabled={kind === "upgrade" && !release} loading={running.isPending}>
              {t("action.run")}
            </Button>
            <CopyAs write={write} />
          </form>
          {!isConnected && <Notice tone="info">{t("commands.later")}</Notice>}
          {running.error && <Refusal error={running.error} />}
        </Panel>
      )}
      <Past gateway={gateway} />
      {isAsked && (
        <Confirm title={`${t(`commands.${kind}`)}: ${gateway}`} blast={t(BLAST[kind as keyof typeof BLAST] ?? "commands.graveBlast", { count: phones })} verb={t("action.run")} write={write} act={() => running.mutateAsync()} onClose={() => setAsked(false)} />
      )}
    </div>
  );
}

/** What the gateway was asked, with its output as it comes. */
function Past({ gateway }: { gateway: string }) {
  const { t } = useWords();
  const commands = useCommands(useNetwork(), gateway);
  return (
    <Loaded query={commands}>
      {(all) => {
        if (all.length === 0) return <Panel>{<Empty title={t("commands.none")}>{t("commands.noneWords")}</Empty>}</Panel>;
        return (
          <>
            {all.map((it) => (
              <Panel
                key={it.id}
                title={t(`commands.${kindOf(it)}`)}
                aside={
                  <>
                    <span className="soft">
                      {it.created_by}, <Age at={it.created_at} />
                    </span>
                    <Status tone={TONES[it.state] ?? "quiet"}>
                      {t(`commands.state.${it.state}`)}
                      {it.state === "running" && ` ${it.percent} %`}
                    </Status>
                  </>
                }
              >
                <pre className="block" aria-live="polite">
                  {Object.keys(it.arguments ?? {}).length > 0 ? `# ${JSON.stringify(it.arguments)}\n` : ""}
                  {it.output || "…"}
                </pre>
              </Panel>
            ))}
          </>
        );
      }}
    </Loaded>
  );
}
