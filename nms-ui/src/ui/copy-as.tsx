import { useWords } from "@/i18n";
import { asBasalt, asCurl, asResource, type Write } from "@/lib/write";
import { MenuButton, type MenuEntry } from "./menu-button";
import { useSay } from "./toast";

export function useCopy(): (text: string) => Promise<void> {
  const { t } = useWords();
  const say = useSay();
  return async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Over plain HTTP browsers give no clipboard: the old way.
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    say(t("action.copied"));
  };
}

/** A write in the words of others, made when the menu opens: what is written may be long. */
export function CopyAs({ write }: { write: () => Write }) {
  const { t } = useWords();
  const copy = useCopy();
  const entries = (): MenuEntry[] => {
    const made = write();
    const entry = (id: string, label: string, text: string) => ({ id, label, act: () => void copy(text) });
    const json = made.body === undefined ? [] : [entry("json", "JSON", JSON.stringify(made.body, null, 2))];
    return [entry("curl", "curl", asCurl(made, location.origin)), entry("basalt", "basalt", asBasalt(made)), entry("resource", "Terraform JSON", asResource(made)), ...json];
  };
  return <MenuButton icon="copy" label={t("action.copyAs")} position="top-start" entries={entries} />;
}
