// Messages in the reader's language, with typed keys.
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import type catalogue from "./catalogue.json";

export type MessageKey = keyof typeof catalogue;
type Messages = Record<MessageKey, string>;
export type Values = Record<string, string | number>;
export type Translate = (key: MessageKey, values?: Values) => string;

export const LANGUAGES = { en: "English", es: "Español", fr: "Français", pt: "Português" } as const;
export type Language = keyof typeof LANGUAGES;

const LOAD: Record<Language, () => Promise<{ default: unknown }>> = {
  en: () => import("virtual:messages/en"),
  es: () => import("virtual:messages/es"),
  fr: () => import("virtual:messages/fr"),
  pt: () => import("virtual:messages/pt"),
};

const KEPT = "basalt-language";

/** What was chosen, else what the browser prefers, else English. */
export function preferred(): Language {
  const wished = [localStorage.getItem(KEPT), ...navigator.languages].map((it) => it?.slice(0, 2));
  return (wished.find((it) => it !== undefined && it in LANGUAGES) as Language | undefined) ?? "en";
}

/** The text with its values; of `one|many` the form that `count` asks for. */
export function format(text: string, language: string, values: Values = {}): string {
  const forms = text.split("|");
  const counted = values["count"];
  const plain = typeof counted === "string" ? Number(counted.replace(/\D/g, "")) : (counted ?? 0);
  const one = forms.length === 1 || new Intl.PluralRules(language).select(plain) === "one";
  const chosen = (one ? forms[0] : forms[1]) ?? text;
  return chosen.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" && name === "count" ? new Intl.NumberFormat(language).format(value) : String(value);
  });
}

interface Known {
  language: Language;
  choose: (language: Language) => void;
  t: Translate;
}

const Context = createContext<Known | null>(null);

export async function loadMessages(language: Language): Promise<Messages> {
  return (await LOAD[language]()).default as Messages;
}

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
