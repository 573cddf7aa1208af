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
      <button type="button" className="icon-button" data-hint={t("action.copy")} aria-label={`${t("action.copy")}: ${label}`} onClick={() => void copy(text)}>
        <Icon name="copy" size={14} />
      </button>
    </div>
  );
}
