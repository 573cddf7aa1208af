import { Button, Drawer, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState, type FormEvent } from "react";
import { api, unwrap } from "@/api/client";
import type { Schemas } from "@/api/objects";
import { useWords } from "@/i18n";
import { Password } from "@/ui/password";
import { Age } from "@/ui/age";
import { Confirm } from "@/ui/confirm";
import { CopyAs } from "@/ui/copy-as";
import { DataTable, type Column } from "@/ui/data-table";
import { Icon } from "@/ui/icon";
import { Empty, Loaded, Refusal } from "@/ui/page";
import { Status } from "@/ui/status";
import { useSay } from "@/ui/toast";
import { Grants, useGrantWords } from "./grants";

type User = Schemas["User"];

export function Users() {
  const { t } = useWords();
  const words = useGrantWords();
  const [editing, setEditing] = useState<User | "new" | null>(null);
  const users = useQuery({
    queryKey: ["users"],
    queryFn: async () => (await unwrap(api.GET("/api/v1/users", { params: { query: { limit: 1000 } } }))).items,
  });
  const columns = useMemo<Column<User>[]>(
    () => [
      {
        id: "name",
        title: t("editor.name"),
        value: (row) => row.name,
        cell: (row) => (
          <button type="button" className="linkish" onClick={() => setEditing(row)}>
            {row.name}
          </button>
        ),
      },
      { id: "grants", title: t("access.grants"), value: (row) => row.grants.map(words).join("; ") },
      { id: "locked", title: t("access.locked"), value: (row) => row.locked_until, cell: (row) => (row.locked_until > Date.now() ? <Status tone="warn"><Age at={row.locked_until} /></Status> : "–") },
      { id: "created", title: t("history.created"), value: (row) => row.created_at, cell: (row) => <Age at={row.created_at} /> },
    ],
    [t, words],
  );
  const add = (
    <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setEditing("new")}>
      {t("action.add")}
    </Button>
  );
  return (
    <Loaded query={users}>
      {(rows) => (
        <>
          <DataTable name={t("access.users")} rows={rows} columns={columns} idOf={(row) => row.name} filters={add} empty={<Empty title={t("access.users")} action={add} />} />
          {editing && <UserForm user={editing === "new" ? null : editing} onClose={() => setEditing(null)} />}
        </>
      )}
    </Loaded>
  );
}

function UserForm({ user, onClose }: { user: User | null; onClose: () => void }) {
  const { t } = useWords();
  const say = useSay();
  const client = useQueryClient();
  const [name, setName] = useState(user?.name ?? "");
  const [password, setPassword] = useState("");
  const [grants, setGrants] = useState(user?.grants ?? []);
  const [isAsked, setAsked] = useState(false);
  const body = { grants, password: password || null };
  const done = async (text: string) => {
    await client.invalidateQueries({ queryKey: ["users"] });
    say(text);
    onClose();
  };
  const saving = useMutation({
    mutationFn: () => unwrap(api.PUT("/api/v1/users/{name}", { params: { path: { name } }, body })),
    onSuccess: () => done(t("editor.saved")),
  });
  const remove = async () => {
    await unwrap(api.DELETE("/api/v1/users/{name}", { params: { path: { name } } }));
    await done(t("editor.deleted"));
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    saving.mutate();
  };
  return (
    <Drawer opened onClose={onClose} position="right" size="lg" title={user?.name ?? t("editor.new", { what: t("access.user") })} closeButtonProps={{ "aria-label": t("action.close") }}>
      <form className="stack" onSubmit={submit}>
        {!user && <TextInput label={t("login.name")} required value={name} onChange={(event) => setName(event.currentTarget.value)} />}
        <Password label={t("login.password")} description={user ? t("access.keepPassword") : t("setup.rule")} autoComplete="new-password" required={!user} value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
        <Grants value={grants} change={setGrants} />
        {saving.error && <Refusal error={saving.error} />}
        <div className="row">
          <Button type="submit" size="sm" loading={saving.isPending}>
            {t("action.save")}
          </Button>
          <CopyAs write={() => ({ method: "PUT", path: `/api/v1/users/${name}`, body: { grants }, resource: { kind: "users", name, network: null } })} />
          <span style={{ flex: 1 }} />
          {user && (
            <Button variant="subtle" color="red" c="var(--b-bad)" onClick={() => setAsked(true)}>
              {t("action.delete")}
            </Button>
          )}
        </div>
      </form>
      {isAsked && <Confirm title={`${t("action.delete")}: ${name}`} blast={t("access.deleteBlast")} verb={t("action.delete")} write={() => ({ method: "DELETE", path: `/api/v1/users/${name}` })} act={remove} onClose={() => setAsked(false)} />}
    </Drawer>
  );
}
