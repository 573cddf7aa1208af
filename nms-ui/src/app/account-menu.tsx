import { Kbd, Menu, Modal, useMantineColorScheme } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { logOut, useMe } from "@/api/session";
import { LANGUAGES, useWords, type Language } from "@/i18n";
import { Icon } from "@/ui/icon";
import { Facts } from "@/ui/page";
import { AccountButton } from "./account";

/** Who is here; language, theme, keys, and the way out. Open at first: it is there because somebody opened it. */
export default function AccountMenu() {
  const { t, language, choose } = useWords();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [isHelp, setHelp] = useState(false);
  const me = useMe().data;
  const navigate = useNavigate();
  const leave = async () => {
    await logOut();
    await navigate({ to: "/login" });
  };
  const mark = (chosen: boolean) => (chosen ? <Icon name="check" size={14} /> : <span style={{ width: 14, display: "inline-block" }} />);
  return (
    <>
      <Menu defaultOpened withInitialFocusPlaceholder={false} withinPortal={false} position="bottom-end" width={210}>
        <Menu.Target>
          <AccountButton />
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{me?.name}</Menu.Label>
          <Menu.Item onClick={() => void leave()}>{t("shell.logout")}</Menu.Item>
          <Menu.Item onClick={() => setHelp(true)}>{t("shell.keys")}</Menu.Item>
          <Menu.Divider />
          <Menu.Label>{t("shell.theme")}</Menu.Label>
          {(["auto", "light", "dark"] as const).map((it) => (
            <Menu.Item key={it} leftSection={mark(colorScheme === it)} onClick={() => setColorScheme(it)}>
              {t(`shell.theme.${it}`)}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Label>{t("shell.language")}</Menu.Label>
          {Object.entries(LANGUAGES).map(([code, name]) => (
            <Menu.Item key={code} lang={code} leftSection={mark(language === code)} onClick={() => choose(code as Language)}>
              {name}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <Modal opened={isHelp} onClose={() => setHelp(false)} title={t("shell.keys")} closeButtonProps={{ "aria-label": t("action.close") }}>
        <Facts
          of={[
            ["Ctrl K", t("shell.keys.palette")],
            ["/", t("shell.keys.search")],
            ["↓ ↑, j k", t("shell.keys.rows")],
            ["Enter", t("shell.keys.open")],
          ].map(([key, words]) => [words ?? "", <Kbd key={key}>{key}</Kbd>])}
        />
      </Modal>
    </>
  );
}
