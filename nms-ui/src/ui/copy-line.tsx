import { ActionIcon, Tooltip } from "@mantine/core";
import { useWords } from "@/i18n";
import { useCopy } from "./copy-as";
import { Icon } from "./icon";

/** A line, or some, to be taken elsewhere: a command, an address. */
export function CopyLine({ text, label }: { text: string; label: string }) {
  const { t } = useWords();
  const copy = useCopy();
  return (
    <div className="copy-line">
      <pre className="block">{text}</pre>
      <Tooltip label={t("action.copy")}>
        <ActionIcon variant="default" size="lg" aria-label={`${t("action.copy")}: ${label}`} onClick={() => void copy(text)}>
          <Icon name="copy" size={14} />
        </ActionIcon>
      </Tooltip>
    </div>
  );
}
