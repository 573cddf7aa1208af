// The page of the handbook about a rule: carried by the console, since a site in trouble may have no other network.
import { ActionIcon, Button, Drawer } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useWords } from "@/i18n";
import { blocks, pieces, type Block } from "@/lib/handbook";
import { Icon } from "@/ui/icon";
import { Loaded, Missing } from "@/ui/page";

/** A button that opens the page. */
export function Runbook({ rule, isSmall }: { rule: string; isSmall?: boolean }) {
  const { t } = useWords();
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      {isSmall ? (
        <ActionIcon size="sm" variant="default" aria-label={t("alarms.runbook")} title={t("alarms.runbook")} onClick={() => setOpen(true)}>
          <Icon name="audit" size={12} />
        </ActionIcon>
      ) : (
        <Button size="compact-xs" variant="subtle" color="gray" c="var(--b-ink-soft)" leftSection={<Icon name="audit" size={12} />} onClick={() => setOpen(true)}>
          {t("alarms.runbook")}
        </Button>
      )}
      {isOpen && (
        <Drawer opened onClose={() => setOpen(false)} position="right" size="lg" title={rule} closeButtonProps={{ "aria-label": t("action.close") }}>
          <Page rule={rule} />
        </Drawer>
      )}
    </>
  );
}

function Page({ rule }: { rule: string }) {
  const { t } = useWords();
  const page = useQuery({ queryKey: ["runbook", rule], queryFn: async () => (await import("./runbooks")).runbook(rule), staleTime: Infinity });
  return <Loaded query={page}>{(text) => (text === null ? <Missing>{t("alarms.noRunbook")}</Missing> : <div className="prose">{blocks(text).map(drawn)}</div>)}</Loaded>;
}

function drawn(block: Block, key: number): ReactNode {
  switch (block.kind) {
    case "title":
      return null;
    case "heading":
      return <h3 key={key}>{block.text}</h3>;
    case "code":
      return (
        <pre className="block" key={key}>
          {block.text}
        </pre>
      );
    case "list":
      return (
        <ul key={key}>
          {block.items.map((item) => (
            <li key={item}>{inline(item)}</li>
          ))}
        </ul>
      );
    case "text":
      return <p key={key}>{inline(block.text)}</p>;
  }
}

function inline(text: string): ReactNode[] {
  return pieces(text).map((piece, at) => (piece.isCode ? <code key={at}>{piece.text}</code> : piece.text));
}
