import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { api, unwrap } from "@/api/client";
import { useMe } from "@/api/session";
import { useWords } from "@/i18n";
import { CopyAs } from "@/ui/copy-as";
import { Password } from "@/ui/password";
import { Age } from "@/ui/age";
import { Facts, Loaded, Panel, Refusal } from "@/ui/page";
import { Status } from "@/ui/status";
import { useSay } from "@/ui/toast";
import { useGrantWords } from "./grants";

/** One's own account: rights, sessions, password. */
export function Mine() {
  const { t } = useWords();
  const words = useGrantWords();
  const me = useMe().data;
  return (
    <div className="grid">
      <Panel title={me?.name}>
        <Facts of={(me?.grants ?? []).map((grant, at) => [at === 0 ? t("access.grants") : " ".repeat(at), words(grant)])} />
      </Panel>
      <Sessions />
      <OwnPassword />
    </div>
  );
}

function Sessions() {
  const { t } = useWords();
  const client = useQueryClient();
  const sessions = useQuery({ queryKey: ["own-sessions"], queryFn: async () => (await unwrap(api.GET("/api/v1/sessions"))).items });
  const ending = useMutation({
    mutationFn: (name: string) => unwrap(api.DELETE("/api/v1/sessions/{name}", { params: { path: { name } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["own-sessions"] }),
  });
  return (
    <Panel title={t("access.sessions")}>
      <Loaded query={sessions}>
        {(all) => (
          <div className="stack">
            {all.map((it) => (
              <div className="row" key={it.id} style={{ justifyContent: "space-between" }}>
                <span style={{ minWidth: 0, flex: 1, overflowWrap: "anywhere" }}>
                  {it.title || it.id}
                  <br />
                  <span className="soft">
                    <Age at={it.created_at} />
                  </span>
                </span>
                {it.current ? (
                  <Status tone="good">{t("access.thisOne")}</Status>
                ) : (
                  <Button variant="default" onClick={() => ending.mutate(it.id)}>
                    {t("access.end")}
                  </Button>
                )}
              </div>
            ))}
          </div>
        )}
      </Loaded>
    </Panel>
  );
}

function OwnPassword() {
  const { t } = useWords();
  const say = useSay();
  const client = useQueryClient();
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const changing = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/me/password", { body: { current, password } })),
    onSuccess: () => {
      say(t("editor.saved"));
      setCurrent("");
      setPassword("");
      // The orchestrator ended the others.
      return client.invalidateQueries({ queryKey: ["own-sessions"] });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    changing.mutate();
  };
  return (
    <Panel title={t("access.password")}>
      <form className="stack" onSubmit={submit}>
        <Password label={t("access.current")} autoComplete="current-password" required value={current} onChange={(event) => setCurrent(event.currentTarget.value)} />
        <Password label={t("access.next")} description={t("setup.rule")} autoComplete="new-password" minLength={12} required value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
        {changing.error && <Refusal error={changing.error} />}
        <div className="row">
          <Button type="submit" size="sm" loading={changing.isPending}>
            {t("action.save")}
          </Button>
          {/* What was typed is never copied. */}
          <CopyAs write={() => ({ method: "POST", path: "/api/v1/me/password", body: { current: "…", password: "…" } })} />
        </div>
      </form>
    </Panel>
  );
}
