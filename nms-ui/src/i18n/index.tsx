// Messages in the reader's language, with typed keys.
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { isOne, integer } from "@/lib/intl";
import { KEPT, loadMessages, type Language, type MessageKey, type Messages } from "./language";

export type Values = Record<string, string | number>;
export type Translate = (key: MessageKey, values?: Values) => string;

export { LANGUAGES, loadMessages, preferred, type Language, type MessageKey } from "./language";

/** The text with its values; of `one|many` the form that `count` asks for. */
export function format(text: string, language: string, values: Values = {}): string {
  const forms = text.split("|");
  const counted = values["count"];
  const plain = typeof counted === "string" ? Number(counted.replace(/\D/g, "")) : (counted ?? 0);
  const one = forms.length === 1 || isOne(language, plain);
  const chosen = (one ? forms[0] : forms[1]) ?? text;
  return chosen.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" && name === "count" ? integer(value, language) : String(value);
  });
}

interface Known {
  language: Language;
  choose: (language: Language) => void;
  t: Translate;
}

const Context = createContext<Known | null>(null);

/** Gives the pages below it their words. */
export function Words({ first, children }: { first: { language: Language; messages: Messages }; children: ReactNode }) {
  const [shown, setShown] = useState(first);
  const choose = useCallback((language: Language) => {
    localStorage.setItem(KEPT, language);
    void loadMessages(language).then((messages) => setShown({ language, messages }));
  }, []);
  useEffect(() => {
    document.documentElement.lang = shown.language;
  }, [shown.language]);
  const known = useMemo<Known>(() => {
    const t: Translate = (key, values) => format(shown.messages[key] ?? key, shown.language, values);
    return { language: shown.language, choose, t };
  }, [shown, choose]);
  return <Context value={known}>{children}</Context>;
}

export function useWords(): Known {
  const known = useContext(Context);
  if (!known) throw new Error("no words here: the page stands outside of <Words>");
  return known;
}
