import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { request } from "@/api/client";
import { objectPath, rollBack, type AnyObject, type Version } from "@/api/objects";
import { useWords } from "@/i18n";
import { Age } from "@/ui/age";
import { DiffView } from "@/ui/diff-view";
import { Loaded, Refusal } from "@/ui/page";
import { Status } from "@/ui/status";

interface Props {
  network: string | null;
  collection: string;
  known: AnyObject;
  onDone: (stored: AnyObject) => void;
}

/** Versions of an object, newest first, and the way back to each. */
export function History({ network, collection, known, onDone }: Props) {
  const { t } = useWords();
  const path = objectPath(network, collection, known.name);
  const client = useQueryClient();
  const queryKey = ["versions", network, collection, known.name];
  const versions = useQuery({
    queryKey,
    queryFn: async () => ((await request("GET", `${path}/versions`)).body as { items: Version[] }).items,
  });
  const going = useMutation({
    mutationFn: (to: number) => rollBack(path, to, known.revision),
    // Going back is a version of its own: the list has it before anything else is done.
    onSuccess: async (stored) => {
      await client.invalidateQueries({ queryKey });
      onDone(stored);
    },
  });
  return (
    <Loaded query={versions}>
      {(all) => (
        <div className="stack">
          {going.error && <Refusal error={going.error} />}
          {all.map((it) => (
            <section key={it.revision} className="panel">
              <header>
                <h2>
                  {t("history.revision", { revision: it.revision })} {it.revision === known.revision && <Status tone="good">{t("history.now")}</Status>}
                </h2>
                <span className="soft">
                  {it.who}, <Age at={it.at} />
                </span>
                {it.revision !== known.revision && it.after && (
                  <Button variant="default" loading={going.isPending} onClick={() => going.mutate(it.revision)}>
                    {t("history.rollback")}
                  </Button>
                )}
              </header>
              <div className="body">
                <DiffView of={it.difference} />
                {it.secrets_changed && <p className="soft">{t("history.secrets")}</p>}
              </div>
            </section>
          ))}
        </div>
      )}
    </Loaded>
  );
}
