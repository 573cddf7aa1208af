// A gateway is added by one line on its terminal, or by its code held before a camera.
import { Button, Drawer, Select, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState, type FormEvent } from "react";
import type { GatewayToken } from "@/api/answers";
import { api, unwrap } from "@/api/client";
import { useGatewayTokens } from "@/api/fleet";
import { useObjects } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { ofNetwork, quoted } from "@/lib/write";
import { Age } from "@/ui/age";
import { CopyAs, useCopy } from "@/ui/copy-as";
import { Icon } from "@/ui/icon";
import { GatewayLink } from "@/ui/links";
import { Facts, Notice, Refusal } from "@/ui/page";
import { Status } from "@/ui/status";

export default function AddGateway({ onClose }: { onClose: () => void }) {
  const { t } = useWords();
  const network = useNetwork();
  const client = useQueryClient();
  const [token, setToken] = useState<GatewayToken | null>(null);
  const [tier, setTier] = useState<string | null>(null);
  const [gateway, setGateway] = useState("");
  const tiers = useObjects(network, "tiers").data ?? [];
  const chosen = tier ?? tiers[0]?.name ?? "";
  const body = { tier: chosen, gateway: gateway || null };
  const making = useMutation({
    mutationFn: async () =>
      (await unwrap(api.POST("/api/v1/networks/{network}/gateway-tokens", { params: { path: { network } }, body }))) as unknown as GatewayToken,
    onSuccess: async (made) => {
      setToken(made);
      await client.invalidateQueries({ queryKey: ["gateway-tokens", network] });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    making.mutate();
  };
  return (
    <Drawer opened onClose={onClose} position="right" size="lg" title={t("gateways.add")} closeButtonProps={{ "aria-label": t("action.close") }}>
      {token ? (
        <Token token={token} onClose={onClose} />
      ) : (
        <form className="stack" onSubmit={submit}>
          <p className="soft">{t("gateways.addWords")}</p>
          {tiers.length === 0 && <Notice tone="warn">{t("gateways.noTier")}</Notice>}
          <Select label={t("gateways.tier")} required data={tiers.map((it) => it.name)} value={chosen || null} onChange={setTier} />
          <TextInput label={t("editor.name")} description={t("gateways.nameHint")} value={gateway} onChange={(event) => setGateway(event.currentTarget.value.trim())} />
          {making.error && <Refusal error={making.error} />}
          <div className="row">
            <Button type="submit" size="sm" loading={making.isPending}>
              {t("gateways.makeToken")}
            </Button>
            <CopyAs write={() => ({ method: "POST", path: `/api/v1/networks/${network}/gateway-tokens`, body, basalt: `basalt gateway token create --tier ${quoted(chosen)}${gateway ? ` --name ${quoted(gateway)}` : ""}${ofNetwork(network)}`, resource: { kind: "gateway-tokens", name: gateway || "gateway", network } })} />
          </div>
        </form>
      )}
    </Drawer>
  );
}

/** The one line, its code, and whether the gateway has come. */
function Token({ token, onClose }: { token: GatewayToken; onClose: () => void }) {
  const { t } = useWords();
  const network = useNetwork();
  const copy = useCopy();
  const client = useQueryClient();
  const used = useGatewayTokens(network, true).data?.find((it) => it.id === token.id)?.used;
  const line = token.command ?? `basalt gateway join ${token.token}`;
  useEffect(() => {
    if (used) void client.invalidateQueries({ queryKey: ["objects", network, "gateways"] });
  }, [used, client, network]);
  return (
    <div className="stack">
      <p>{t("gateways.runThis")}</p>
      <pre className="block">{line}</pre>
      <div className="row">
        <Button leftSection={<Icon name="copy" size={14} />} onClick={() => void copy(line)}>
          {t("action.copy")}
        </Button>
      </div>
      <QrCode text={line} />
      <Notice tone="info">{t("gateways.onceOnly")}</Notice>
      <Facts
        of={[
          [t("gateways.expires"), <Age key="at" at={token.expires_at} />],
          [
            t("gateways.state"),
            used ? (
              <span className="row" key="used">
                <Status tone="good">{t("gateways.joined")}</Status> <GatewayLink name={used.by} />
              </span>
            ) : (
              <Status tone="info">{t("gateways.waiting")}</Status>
            ),
          ],
        ]}
      />
      <Button variant="default" onClick={onClose}>
        {t("action.close")}
      </Button>
    </div>
  );
}

function QrCode({ text }: { text: string }) {
  const { t } = useWords();
  const [path, setPath] = useState<{ d: string; size: number } | null>(null);
  useEffect(() => {
    let isHere = true;
    void import("uqr").then(({ encode }) => {
      if (!isHere) return;
      const { data, size } = encode(text, { ecc: "L", border: 0 });
      const d = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join("");
      setPath({ d, size });
    });
    return () => {
      isHere = false;
    };
  }, [text]);
  if (!path) return null;
  return (
    <svg className="qr" viewBox={`0 0 ${path.size} ${path.size}`} role="img" aria-label={t("gateways.qr")} shapeRendering="crispEdges">
      <path d={path.d} fill="#000" />
    </svg>
  );
}
