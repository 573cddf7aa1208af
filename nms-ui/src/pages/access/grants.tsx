import { Button, Select, TextInput } from "@mantine/core";
import type { Schemas } from "@/api/objects";
import { useWords } from "@/i18n";
import { Icon } from "@/ui/icon";

type Grant = Schemas["Grant"];
type Scope = "everything" | "tenant" | "network";

/** A grant in words: `operator of network home`. */
export function useGrantWords(): (grant: Grant) => string {
  const { t } = useWords();
  return (grant) => {
    const role = t(`role.${grant.role}`);
    if (grant.scope === "everything") return t("grant.everything", { role });
    return "tenant" in grant.scope ? t("grant.tenant", { role, name: grant.scope.tenant }) : t("grant.network", { role, name: grant.scope.network });
  };
}

function scopeOf(grant: Grant): [Scope, string] {
  if (grant.scope === "everything") return ["everything", ""];
  return "tenant" in grant.scope ? ["tenant", grant.scope.tenant] : ["network", grant.scope.network];
}

function made(role: Grant["role"], scope: Scope, name: string): Grant {
  if (scope === "everything") return { role, scope: "everything" };
  return { role, scope: scope === "tenant" ? { tenant: name } : { network: name } };
}

/** What somebody may do, line by line. */
export function Grants({ value, change }: { value: Grant[]; change: (grants: Grant[]) => void }) {
  const { t } = useWords();
  const words = useGrantWords();
  return (
    <fieldset className="stack" style={{ border: 0, padding: 0, margin: 0 }}>
      <legend>{t("access.grants")}</legend>
      {value.map((grant, at) => {
        const [scope, name] = scopeOf(grant);
        const set = (next: Grant) => change(value.with(at, next));
        return (
          <div className="row" key={at}>
            <Select w={130} aria-label={t("access.role")} allowDeselect={false} data={(["viewer", "operator", "admin"] as const).map((it) => ({ value: it, label: t(`role.${it}`) }))} value={grant.role} onChange={(it) => set(made(it as Grant["role"], scope, name))} />
            <Select w={140} aria-label={t("access.scope")} allowDeselect={false} data={(["everything", "tenant", "network"] as const).map((it) => ({ value: it, label: t(`scope.${it}`) }))} value={scope} onChange={(it) => set(made(grant.role, it as Scope, name))} />
            {scope !== "everything" && <TextInput w={140} aria-label={t("editor.name")} required value={name} onChange={(event) => set(made(grant.role, scope, event.currentTarget.value))} />}
            <Button variant="subtle" color="gray" aria-label={`${t("action.delete")}: ${words(grant)}`} onClick={() => change(value.toSpliced(at, 1))}>
              <Icon name="close" size={14} />
            </Button>
          </div>
        );
      })}
      <div>
        <Button variant="default" leftSection={<Icon name="plus" size={14} />} onClick={() => change([...value, { role: "viewer", scope: "everything" }])}>
          {t("action.add")}
        </Button>
      </div>
    </fieldset>
  );
}
