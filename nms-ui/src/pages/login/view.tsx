import { Button, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createLazyRoute, useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { Refused } from "@/api/problem";
import { logIn, loginOptionsQuery } from "@/api/session";
import { useWords } from "@/i18n";
import { Password } from "@/ui/password";
import { useAddress } from "@/lib/search";
import { Notice, Refusal } from "@/ui/page";

export const Route = createLazyRoute("/login")({ component: Login });

/** Only a place of our own is gone to after the login. */
function ownPlace(next: string | undefined): string {
  return next?.startsWith("/") && !next.startsWith("//") && !next.startsWith("/login") ? next : "/";
}

function Login() {
  const { t } = useWords();
  const [{ next }] = useAddress();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const navigate = useNavigate();
  const client = useQueryClient();
  // Without an answer there is the password.
  const providers = useQuery(loginOptionsQuery).data?.providers ?? [];
  const enter = useMutation({
    mutationFn: () => logIn(name, password),
    onSuccess: async () => {
      client.clear();
      await navigate({ href: ownPlace(next) });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    enter.mutate();
  };
  const isWrong = enter.error instanceof Refused && enter.error.problem.status === 401;
  return (
    <main className="door">
      <title>Basalt</title>
      <div className="brand">
        <img src="/basalt.svg" alt="" width={40} height={40} />
        <h1>{t("login.title")}</h1>
      </div>
      {next && next !== "/" && !enter.error && <Notice tone="info">{t("login.ended")}</Notice>}
      {isWrong ? <Notice tone="bad">{t("login.failed")}</Notice> : enter.error && <Refusal error={enter.error} />}
      <form onSubmit={submit}>
        <TextInput label={t("login.name")} autoComplete="username" required data-autofocus value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <Password label={t("login.password")} autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
        <Button type="submit" size="sm" loading={enter.isPending}>
          {t("login.submit")}
        </Button>
      </form>
      {providers.length > 0 && <span className="soft">{t("login.or")}</span>}
      {providers.map((provider) => (
        <Button key={provider.name} component="a" href={`${provider.href}?${new URLSearchParams({ return_to: ownPlace(next) }).toString()}`} variant="default" size="sm">
          {t("login.by", { provider: provider.title })}
        </Button>
      ))}
    </main>
  );
}
