import { Button, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { createLazyRoute, useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { logIn, setUp } from "@/api/session";
import { useWords } from "@/i18n";
import { Password } from "@/ui/password";
import { Notice, Refusal } from "@/ui/page";

export const Route = createLazyRoute("/setup")({ component: Setup });

function Setup() {
  const { t } = useWords();
  // The token stands behind the # of the link: browsers send that part to nobody.
  const [token] = useState(() => location.hash.slice(1));
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const navigate = useNavigate();
  const make = useMutation({
    mutationFn: async () => {
      await setUp(token, name, password);
      history.replaceState(null, "", location.pathname);
      await logIn(name, password);
    },
    onSuccess: () => navigate({ to: "/" }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate();
  };
  return (
    <main className="door">
      <title>Basalt</title>
      <div className="brand">
        <img src="/basalt.svg" alt="" width={40} height={40} />
        <h1>{t("setup.title")}</h1>
      </div>
      {token === "" ? <Notice tone="warn">{t("setup.noToken")}</Notice> : <p className="soft">{t("setup.words")}</p>}
      {make.error && <Refusal error={make.error} />}
      <form onSubmit={submit}>
        <TextInput label={t("login.name")} autoComplete="username" required value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <Password label={t("login.password")} description={t("setup.rule")} autoComplete="new-password" minLength={12} required value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
        <Button type="submit" size="sm" disabled={token === ""} loading={make.isPending}>
          {t("setup.submit")}
        </Button>
      </form>
    </main>
  );
}
