// Releases of the gateway's program, and their way to the gateways of a tier: some first, a look at them, then the others.
import { Button, Tabs } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useState } from "react";
import { useMayChange } from "@/app/network";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { Icon } from "@/ui/icon";
import { intoSight } from "@/ui/into-sight";
import { Head } from "@/ui/page";
import { Releases } from "./releases";
import { Rollouts } from "./rollouts";
import { Start } from "./start";

export const Route = createLazyRoute("/inside/n/$network/upgrades")({ component: Upgrades });

const TABS = ["rollouts", "releases"] as const;

function Upgrades() {
  const { t } = useWords();
  const mayChange = useMayChange();
  const [{ tab }, setAddress] = useAddress();
  const [isStarting, setStarting] = useState(false);
  const shown = TABS.find((it) => it === tab) ?? "rollouts";
  return (
    <>
      <Head title={t("nav.upgrades")} note={t("upgrades.words")}>
        {mayChange && (
          <Button leftSection={<Icon name="play" size={14} />} onClick={() => setStarting(true)}>
            {t("upgrades.start")}
          </Button>
        )}
      </Head>
      <Tabs value={shown} onChange={(chosen) => setAddress({ tab: chosen ?? "", q: "", sort: "", id: "" })} keepMounted={false}>
        <Tabs.List mb="md" ref={intoSight}>
          {TABS.map((it) => (
            <Tabs.Tab key={it} value={it}>
              {t(`upgrades.tab.${it}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="rollouts">
          <Rollouts />
        </Tabs.Panel>
        <Tabs.Panel value="releases">
          <Releases />
        </Tabs.Panel>
      </Tabs>
      {isStarting && <Start onClose={() => setStarting(false)} />}
    </>
  );
}
