import { Link } from "@tanstack/react-router";
import { useConfigRollouts } from "@/api/config-rollouts";
import { useWords } from "@/i18n";
import { actsOf, stateOf } from "@/lib/rollout";
import { Notice } from "@/ui/page";

const RARELY = 10_000;

/** Says that a staged change of an object goes on: what is saved meanwhile halts it. */
export function UnderWay({ network, collection, name }: { network: string; collection: string; name: string }) {
  const { t } = useWords();
  const all = useConfigRollouts(network, RARELY).data ?? [];
  const found = all.find((it) => actsOf(stateOf(it.state)).length > 0 && it.changes.some((change) => change.kind === collection && change.name === name));
  if (!found) return null;
  return (
    <Notice tone="warn">
      {t("staged.underWay")}{" "}
      <Link to="/n/$network/configuration" params={{ network }} search={{ tab: "staged", id: found.id } as never}>
        {t("staged.look")}
      </Link>
    </Notice>
  );
}
