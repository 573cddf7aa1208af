// Which language is shown, and its messages: without React, so that they are asked for before anything else is there.
import type catalogue from "./catalogue.json";

export type MessageKey = keyof typeof catalogue;
export type Messages = Record<MessageKey, string>;

export const LANGUAGES = { en: "English", es: "Español", fr: "Français", pt: "Português" } as const;
export type Language = keyof typeof LANGUAGES;

const LOAD: Record<Language, () => Promise<{ default: unknown }>> = {
  en: () => import("virtual:messages/en"),
  es: () => import("virtual:messages/es"),
  fr: () => import("virtual:messages/fr"),
  pt: () => import("virtual:messages/pt"),
};

/** Where the browser keeps the choice. */
export const KEPT = "basalt-language";

/** What was chosen, else what the browser prefers, else English. */
export function preferred(): Language {
  const wished = [localStorage.getItem(KEPT), ...navigator.languages].map((it) => it?.slice(0, 2));
  return (wished.find((it) => it !== undefined && it in LANGUAGES) as Language | undefined) ?? "en";
}

export async function loadMessages(language: Language): Promise<Messages> {
  return (await LOAD[language]()).default as Messages;
}
