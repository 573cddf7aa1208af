import { Button, Drawer, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState, type FormEvent } from "react";
import type { ApiKey } from "@/api/answers";
import { api, unwrap } from "@/api/client";
import type { Schemas } from "@/api/objects";
import { useWords } from "@/i18n";
import { Age } from "@/ui/age";
import { Confirm } from "@/ui/confirm";
import { CopyAs, useCopy } from "@/ui/copy-as";
import { DataTable, type Column } from "@/ui/data-table";
import { Icon } from "@/ui/icon";
import { Empty, Loaded, Notice, Refusal } from "@/ui/page";
import { Grants, useGrantWords } from "./grants";

/** API keys of one's own: made, shown once, revoked. */
export function Keys() {
  const { t } = useWords();
  const words = useGrantWords();
  const client = useQueryClient();
  const [isAdding, setAdding] = useState(false);
  const [going, setGoing] = useState<ApiKey | null>(null);
  const keys = useQuery({ queryKey: ["api-keys"], queryFn: async () => (await unwrap(api.GET("/api/v1/api-keys"))).items });
  const columns = useMemo<Column<ApiKey>[]>(
    () => [
      { id: "title", title: t("field.title"), value: (row) => row.title || row.id },
      { id: "grants", title: t("access.grants"), value: (row) => row.grants.map(words).join("; ") },
      { id: "created", title: t("history.created"), value: (row) => row.created_at, cell: (row) => <Age at={row.created_at} /> },
      { id: "expires", title: t("gateways.expires"), value: (row) => row.expires_at, cell: (row) => <Age at={row.expires_at} /> },
      {
        id: "revoke",
        title: t("access.revoke"),
        value: () => "",
        cell: (row) => (
          <button type="button" className="linkish" onClick={() => setGoing(row)}>
            {t("access.revoke")}
          </button>
        ),
      },
    ],
    [t, words],
  );
  const again = () => client.invalidateQueries({ queryKey: ["api-keys"] });
  const revoke = async () => {
    await unwrap(api.DELETE("/api/v1/api-keys/{name}", { params: { path: { name: going?.id ?? "" } } }));
    await again();
  };
  const add = (
    <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setAdding(true)}>
      {t("action.add")}
    </Button>
  );
  return (
    <>
      <Loaded query={keys}>
        {(rows) => <DataTable name={t("access.keys")} rows={rows} columns={columns} idOf={(row) => row.id} filters={add} empty={<Empty title={t("access.noKeys")} action={add}>{t("access.noKeysWords")}</Empty>} />}
      </Loaded>
      {isAdding && <KeyForm onClose={() => setAdding(false)} onMade={() => void again()} />}
      {going && <Confirm title={`${t("access.revoke")}: ${going.title || going.id}`} blast={t("access.revokeBlast")} verb={t("access.revoke")} write={() => ({ method: "DELETE", path: `/api/v1/api-keys/${going.id}` })} act={revoke} onClose={() => setGoing(null)} />}
    </>
  );
}

function KeyForm({ onClose, onMade }: { onClose: () => void; onMade: () => void }) {
  const { t } = useWords();
  const copy = useCopy();
  const [title, setTitle] = useState("");
  const [days, setDays] = useState("90");
  const [grants, setGrants] = useState<Schemas["Grant"][]>([{ role: "viewer", scope: "everything" }]);
  const body = { title, days: Number(days), grants };
  const making = useMutation({ mutationFn: () => unwrap(api.POST("/api/v1/api-keys", { body })), onSuccess: onMade });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    making.mutate();
  };
  const token = making.data?.token;
  return (
    <Drawer opened onClose={onClose} position="right" size="lg" title={t("editor.new", { what: t("access.key") })} closeButtonProps={{ "aria-label": t("action.close") }}>
      {token ? (
        <div className="stack">
          <Notice tone="warn">{t("access.once")}</Notice>
          <pre className="block">{token}</pre>
          <div className="row">
            <Button onClick={() => void copy(token)}>{t("action.copy")}</Button>
            <Button variant="default" onClick={onClose}>
              {t("action.close")}
            </Button>
          </div>
        </div>
      ) : (
        <form className="stack" onSubmit={submit}>
          <TextInput label={t("field.title")} required value={title} onChange={(event) => setTitle(event.currentTarget.value)} />
          <TextInput label={t("access.days")} inputMode="numeric" required value={days} onChange={(event) => setDays(event.currentTarget.value)} />
          <Grants value={grants} change={setGrants} />
          {making.error && <Refusal error={making.error} />}
          <div className="row">
            <Button type="submit" size="sm" loading={making.isPending}>
              {t("access.make")}
            </Button>
            <CopyAs write={() => ({ method: "POST", path: "/api/v1/api-keys", body, resource: { kind: "api-keys", name: title, network: null } })} />
          </div>
        </form>
      )}
    </Drawer>
  );
}
